#include "gateway/catalog/version_id.h"

#include <array>

#include "base/encoding.h"
#include "base/endian.h"
#include "gateway/catalog/rows.h"

namespace hydra::catalog {

namespace {
constexpr std::size_t kIdBytes = 16;
}

std::string make_version_id(std::uint64_t sequence, std::uint64_t random) {
  std::array<std::byte, kIdBytes> raw;
  store_be(raw.data(), sequence);
  store_be(raw.data() + sizeof sequence, random);
  return hex_encode(raw);
}

std::optional<std::uint64_t> sequence_of_version_id(std::string_view id) {
  if (id.size() != 2 * kIdBytes) return std::nullopt;
  const auto raw = hex_decode(id);
  if (!raw || hex_encode(*raw) != id) return std::nullopt;
  return load_be<std::uint64_t>(raw->data());
}

bool is_version_id(std::string_view id) {
  return id == kNullVersionId || sequence_of_version_id(id).has_value();
}

}  // namespace hydra::catalog
