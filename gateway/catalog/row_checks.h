// What decoding any row begins and ends with. Any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "gateway/catalog/row_bytes.h"
#include "gateway/catalog/rows_format.h"

namespace hydra::catalog {

constexpr std::uint8_t flag(std::uint8_t bit, bool set) { return set ? bit : 0; }

// The version of the row; anything but ours is refused before its fields are looked at.
inline Status check_version(RowReader& row, std::uint8_t known = kRowVersion) {
  const auto version = row.number<std::uint8_t>();
  if (!row.ok()) return fail(Code::kCorrupt, "catalog row is empty");
  if (version != known)
    return fail(Code::kUnsupported, "catalog row of format version " + std::to_string(version));
  return {};
}

// Every byte of the row was understood.
inline Status check_end(const RowReader& row, const char* what) {
  if (row.ok() && row.at_end()) return {};
  return fail(Code::kCorrupt, std::string("catalog row is damaged: ") + what);
}

}  // namespace hydra::catalog
