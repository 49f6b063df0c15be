// What every SendableFile of the simulation is: a stream asks it for the bytes that it sends.
#pragma once

#include <cstdint>
#include <string>

#include "base/runtime/file_sending.h"

namespace hydra::sim {

class SimSendableFile : public SendableFile {
 public:
  // Fewer bytes at the end of the file.
  virtual std::string cached_bytes(std::uint64_t offset, std::uint64_t length) const = 0;

 protected:
  ~SimSendableFile() = default;
};

}  // namespace hydra::sim
