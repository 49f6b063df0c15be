#include "erasure/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/assert.h"

namespace hydra::erasure {
namespace {

// 1..99 without sign or leading zero; 0 when it is anything else.
std::uint8_t parse_count(std::string_view digits) {
  if (digits.empty() || digits.size() > 2 || digits.front() < '1' || digits.front() > '9') return 0;
  std::uint8_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end ? value : 0;
}

}  // namespace

Result<Profile> Profile::parse(std::string_view text) {
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos) {
    const Profile profile{parse_count(text.substr(0, plus)), parse_count(text.substr(plus + 1))};
    if (profile.valid()) return profile;
  }
  return fail(Code::kInvalidArgument,
              fmt::format("profile \"{}\": want K+M with K and M at least 1 and K+M at most {}",
                          text.substr(0, 16), kMaxShards));
}

std::string Profile::to_string() const { return fmt::format("{}+{}", k, m); }

std::uint8_t write_quorum(Profile profile) {
  HYDRA_ASSERT(profile.valid());
  return static_cast<std::uint8_t>(profile.k + std::max(1, (profile.m + 1) / 2));
}

Result<Profile> profile_for(Profile wanted, std::size_t live_nodes) {
  HYDRA_ASSERT(wanted.valid());
  if (live_nodes < static_cast<std::size_t>(wanted.m) + 1)
    return fail(Code::kUnavailable, fmt::format("{} nodes live, profile {} needs at least {}",
                                                live_nodes, wanted.to_string(), wanted.m + 1));
  const auto k = std::min<std::size_t>(wanted.k, live_nodes - wanted.m);
  return Profile{static_cast<std::uint8_t>(k), wanted.m};
}

}  // namespace hydra::erasure
