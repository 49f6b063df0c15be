// Files that hold secrets: mode 0600, written durably, never over another. For programs that start
// or end; blocks.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hydra::object {

Result<std::string> read_file(const std::string& path);  // kIo
// The same; kInvalidArgument when others may read it.
Result<std::string> read_private_file(const std::string& path);
// Creates it with mode 0600, and its directory with 0700 when only that is missing. kIo, also when
// the file exists.
Status write_private_file(const std::string& path, std::string_view text);

}  // namespace hydra::object
