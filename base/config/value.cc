#include "base/config/value.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <span>
#include <vector>

namespace hydra::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr Unit kSizeUnits[] = {
    {"PiB", 1ull << 50},
    {"TiB", 1ull << 40},
    {"GiB", 1ull << 30},
    {"MiB", 1ull << 20},
    {"KiB", 1ull << 10},
    {"PB", 1'000'000'000'000'000},
    {"TB", 1'000'000'000'000},
    {"GB", 1'000'000'000},
    {"MB", 1'000'000},
    {"KB", 1'000},
    {"B", 1},
};
constexpr auto kBinarySizeUnits = std::span(kSizeUnits).first<5>();
constexpr Unit kDurationUnits[] = {
    {"d", 86'400'000'000'000},
    {"h", 3'600'000'000'000},
    {"m", 60'000'000'000},
    {"s", 1'000'000'000},
    {"ms", 1'000'000},
    {"us", 1'000},
    {"ns", 1},
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A decimal number and a unit, exactly; without a unit the factor is `plain` (0: not allowed, but
// for 0).
std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units,
                                             std::uint64_t plain) {
  using Wide = unsigned __int128;
  constexpr int kMaxFractionDigits = 9;
  std::size_t at = 0;
  Wide number = 0;  // the digits without the point
  Wide scale = 1;
  for (; at < text.size() && is_digit(text[at]); ++at) {
    number = number * 10 + static_cast<unsigned>(text[at] - '0');
    if (number > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  }
  if (at == 0) return std::nullopt;
  if (at < text.size() && text[at] == '.') {
    std::size_t point = at++;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      number = number * 10 + static_cast<unsigned>(text[at] - '0');
      scale *= 10;
      if (at - point > kMaxFractionDigits) return std::nullopt;
    }
    if (at == point + 1) return std::nullopt;
  }
  std::string_view rest = text.substr(at);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  std::uint64_t factor = plain;
  if (!rest.empty()) {
    auto unit = std::find_if(units.begin(), units.end(),
                             [&](const Unit& u) { return equal_ignoring_case(u.name, rest); });
    if (unit == units.end()) return std::nullopt;
    factor = unit->factor;
  } else if (plain == 0 && number != 0) {
    return std::nullopt;
  }
  Wide product = number * factor;  // may exceed 128 bits
  if (number != 0 && product / number != factor) return std::nullopt;
  if (product % scale != 0) return std::nullopt;
  product /= scale;
  if (product > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  return static_cast<std::uint64_t>(product);
}

std::string format_with_unit(std::uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units)
    if (value % unit.factor == 0)
      return std::to_string(value / unit.factor) + std::string(unit.name);
  return std::to_string(value);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, kSizeUnits, 1);
}

std::string format_size(std::uint64_t bytes) {
  if (bytes == 0 || bytes % 1024 != 0) return std::to_string(bytes) + "B";
  return format_with_unit(bytes, kBinarySizeUnits);
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  auto value = parse_with_unit(text, kDurationUnits, 0);
  if (!value || *value > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::string format_duration(std::int64_t nanoseconds) {
  if (nanoseconds < 0) return "-" + format_duration(-nanoseconds);
  if (nanoseconds == 0) return "0s";
  return format_with_unit(static_cast<std::uint64_t>(nanoseconds), kDurationUnits);
}

bool is_address(std::string_view text) {
  if (text.starts_with("unix:")) return text.size() > 6 && text[5] == '/';
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view host = text.substr(0, colon);
  std::string_view port = text.substr(colon + 1);
  std::uint16_t number = 0;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size()) return false;
  if (host.starts_with('[')) {
    if (host.size() < 4 || !host.ends_with(']')) return false;
    host = host.substr(1, host.size() - 2);
    return std::all_of(host.begin(), host.end(), [](unsigned char c) {
      return std::isxdigit(c) || c == ':' || c == '.' || c == '%' || std::isalpha(c);
    });
  }
  return !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == '_';
  });
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      bool same = a[i - 1] == b[j - 1];
      cost[i][j] =
          std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace hydra::config
