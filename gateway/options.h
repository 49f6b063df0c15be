// The gateway's configuration file, read into options. conf/gateway.yaml explains every key.
#pragma once

#include <optional>
#include <string>

#include "base/config/reader.h"
#include "base/log.h"
#include "base/runtime/pistache/runtime.h"
#include "gateway/gateway.h"

namespace hydra {

struct ProcessOptions {
  std::uint32_t workers = 0;
  ServeOptions serve;
  std::string key_file;
  log::Options log;
  GatewayOptions gateway;
};

enum class KeyFile { kMayBeMade, kMustExist };

// Reads the file and the files it names; may make the key file when it is absent (`created_keys`
// then tells so). kInvalidArgument with every mistake, one a line.
Result<ProcessOptions> load_options(const std::string& path, bool& created_keys,
                                    KeyFile key_file = KeyFile::kMayBeMade);

}  // namespace hydra
