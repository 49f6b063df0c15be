// Values as people write them in configuration: sizes, durations, addresses. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hydra::config {

// "512", "64KiB", "1.5 GiB" (powers of 1024), "10MB" (powers of 1000); the unit's case does not
// matter. std::nullopt: it is not one, is not a whole number of bytes, or exceeds 64 bits.
std::optional<std::uint64_t> parse_size(std::string_view text);
// The shortest exact way to write it ("64MiB", "1000B").
std::string format_size(std::uint64_t bytes);

// "150ms", "3s", "1.5h", in nanoseconds; units ns, us, ms, s, m, h, d. The unit may be left out of
// 0 only.
std::optional<std::int64_t> parse_duration(std::string_view text);
std::string format_duration(std::int64_t nanoseconds);

// "HOST:PORT" ("[::1]:9000" for IPv6) or "unix:/absolute/path". Hosts are not resolved.
bool is_address(std::string_view text);

// How many insertions, deletions, changes and swaps of neighbours turn one into the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace hydra::config
