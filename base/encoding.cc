#include "base/encoding.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace hydra {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<signed char, 256> make_base64_values() {
  std::array<signed char, 256> values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < kBase64.size(); ++i)
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<signed char>(i);
  return values;
}
constexpr auto kBase64Values = make_base64_values();

constexpr std::array<bool, 256> make_unreserved() {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < table.size(); ++c)
    table[c] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.' || c == '~';
  return table;
}
constexpr auto kUnreserved = make_unreserved();

bool is_plain(char c, bool keep_slash) {
  return kUnreserved[static_cast<unsigned char>(c)] || (keep_slash && c == '/');
}

constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

// Days since 1970-01-01 of a proleptic Gregorian date, and back (H. Hinnant, "chrono-compatible
// low-level date algorithms").
std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(year - era * 400);
  const unsigned day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<std::int64_t>(day_of_era) - 719468;
}

struct Civil {
  int year, month, day, hour, minute, second, millisecond, weekday;
};

Civil civil_from_ms(std::int64_t wall_ms) {
  constexpr std::int64_t kDayMs = 86'400'000;
  std::int64_t days = wall_ms / kDayMs;
  std::int64_t rest = wall_ms % kDayMs;
  if (rest < 0) {
    rest += kDayMs;
    --days;
  }
  Civil c{};
  c.weekday = static_cast<int>(((days % 7) + 11) % 7);  // 1970-01-01 was a Thursday
  c.hour = static_cast<int>(rest / 3'600'000);
  c.minute = static_cast<int>(rest / 60'000 % 60);
  c.second = static_cast<int>(rest / 1000 % 60);
  c.millisecond = static_cast<int>(rest % 1000);
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;
  c.day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  c.month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  c.year = static_cast<int>(static_cast<std::int64_t>(year_of_era) + era * 400 + (c.month <= 2));
  return c;
}

bool is_leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

std::optional<std::int64_t> ms_from_civil(const Civil& c) {
  constexpr std::array<int, 12> kLengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (c.month < 1 || c.month > 12 || c.day < 1 || c.hour < 0 || c.hour > 23 || c.minute < 0 ||
      c.minute > 59 || c.second < 0 || c.second > 60)
    return std::nullopt;
  const int length =
      kLengths[static_cast<std::size_t>(c.month - 1)] + (c.month == 2 && is_leap(c.year));
  if (c.day > length) return std::nullopt;
  const std::int64_t days =
      days_from_civil(c.year, static_cast<unsigned>(c.month), static_cast<unsigned>(c.day));
  return ((days * 24 + c.hour) * 60 + c.minute) * 60'000 + c.second * 1000 + c.millisecond;
}

std::optional<int> month_number(std::string_view name) {
  for (std::size_t i = 0; i < kMonths.size(); ++i)
    if (name == kMonths[i]) return static_cast<int>(i) + 1;
  return std::nullopt;
}

// True when the text matches the pattern: 'd' is any digit, all else stands for itself.
bool has_shape(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (pattern[i] == 'd' ? !digit : text[i] != pattern[i]) return false;
  }
  return true;
}

int number(std::string_view digits) {
  int value = 0;
  for (char c : digits) value = value * 10 + (c == ' ' ? 0 : c - '0');
  return value;
}

}  // namespace

std::string hex_encode(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = kDigits[std::to_integer<unsigned>(bytes[i]) >> 4];
    out[2 * i + 1] = kDigits[std::to_integer<unsigned>(bytes[i]) & 15];
  }
  return out;
}

std::optional<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out(text.size() / 2, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string base64_encode(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < have ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j)
      out += j <= have ? kBase64[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t padding =
        !last ? 0 : (text[i + 3] == '=') + (text[i + 2] == '=' && text[i + 3] == '=');
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const int value =
          j >= 4 - padding ? 0 : kBase64Values[static_cast<unsigned char>(text[i + j])];
      if (value < 0) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    // The bits that padding leaves over must be zero, or two texts would mean the same bytes.
    if ((padding == 1 && (group & 0xff) != 0) || (padding == 2 && (group & 0xffff) != 0))
      return std::nullopt;
    for (std::size_t j = 0; j < 3 - padding; ++j)
      out += static_cast<char>(group >> (16 - 8 * j) & 0xff);
  }
  return out;
}

std::string percent_encode(std::string_view raw, bool keep_slash) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  const auto plain = [keep_slash](char c) { return is_plain(c, keep_slash); };
  std::string out;
  out.reserve(raw.size() + raw.size() / 4);
  while (!raw.empty()) {
    const auto end = std::find_if_not(raw.begin(), raw.end(), plain);
    out.append(raw.begin(), end);
    raw.remove_prefix(static_cast<std::size_t>(end - raw.begin()));
    if (raw.empty()) break;
    const auto byte = static_cast<unsigned char>(raw.front());
    const char escape[] = {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    out.append(escape, sizeof escape);
    raw.remove_prefix(1);
  }
  return out;
}

bool is_percent_encoded(std::string_view text, bool keep_slash) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_plain(text[i], keep_slash)) continue;
    if (text[i] != '%' || text.size() - i < 3 || !is_digit(text[i + 1]) || !is_digit(text[i + 2]))
      return false;
    const int byte = hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]);
    if (is_plain(static_cast<char>(byte), keep_slash)) return false;
    i += 2;
  }
  return true;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  const auto has = [text](char c) { return text.find(c) != std::string_view::npos; };
  if (!has('%') && !(plus_is_space && has('+'))) return std::string(text);
  const auto special = [plus_is_space](char c) { return c == '%' || (plus_is_space && c == '+'); };
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto end = std::find_if(text.begin(), text.end(), special);
    out.append(text.begin(), end);
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
    if (text.empty()) break;
    if (text.front() == '+') {
      out += ' ';
      text.remove_prefix(1);
      continue;
    }
    const int high = text.size() < 3 ? -1 : hex_value(text[1]);
    const int low = text.size() < 3 ? -1 : hex_value(text[2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    text.remove_prefix(3);
  }
  return out;
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_valid_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  while (p < end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    const int extra = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
    if (*p < 0xc2 || *p > 0xf4 || end - p <= extra) return false;
    const unsigned char second = p[1];
    if ((*p == 0xe0 && second < 0xa0) || (*p == 0xed && second > 0x9f) ||
        (*p == 0xf0 && second < 0x90) || (*p == 0xf4 && second > 0x8f))
      return false;
    for (int i = 1; i <= extra; ++i)
      if ((p[i] & 0xc0) != 0x80) return false;
    p += extra + 1;
  }
  return true;
}

std::string format_iso8601(std::int64_t wall_ms) {
  const Civil c = civil_from_ms(wall_ms);
  char text[64];
  const int size = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year,
                                 c.month, c.day, c.hour, c.minute, c.second, c.millisecond);
  return {text, static_cast<std::size_t>(size)};
}

// By hand, for every answer has one: snprintf takes ten times as long.
std::string format_http_date(std::int64_t wall_ms) {
  const Civil c = civil_from_ms(wall_ms);
  std::string text = "Sun, 00 Jan 0000 00:00:00 GMT";
  const auto put = [&text](std::size_t last_digit, int value, int digits) {
    for (; digits > 0; --digits, value /= 10)
      text[last_digit--] = static_cast<char>('0' + value % 10);
  };
  std::memcpy(text.data(), kDays[static_cast<std::size_t>(c.weekday)], 3);
  put(6, c.day, 2);
  std::memcpy(text.data() + 8, kMonths[static_cast<std::size_t>(c.month - 1)], 3);
  put(15, std::clamp(c.year, 0, 9999), 4);  // RFC 9110 has four digits
  put(18, c.hour, 2);
  put(21, c.minute, 2);
  put(24, c.second, 2);
  return text;
}

std::string format_amz_date(std::int64_t wall_ms) {
  const Civil c = civil_from_ms(wall_ms);
  char text[64];
  const int size = std::snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month,
                                 c.day, c.hour, c.minute, c.second);
  return {text, static_cast<std::size_t>(size)};
}

std::optional<std::int64_t> parse_iso8601(std::string_view text) {
  if (text.size() < 20 || !has_shape(text.substr(0, 19), "dddd-dd-ddTdd:dd:dd"))
    return std::nullopt;
  Civil c{number(text.substr(0, 4)),
          number(text.substr(5, 2)),
          number(text.substr(8, 2)),
          number(text.substr(11, 2)),
          number(text.substr(14, 2)),
          number(text.substr(17, 2)),
          0,
          0};
  std::string_view rest = text.substr(19);
  if (rest.front() == '.') {
    std::size_t digits = 1;
    int scale = 100;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') {
      c.millisecond += (rest[digits] - '0') * scale;
      scale /= 10;
      ++digits;
    }
    if (digits == 1 || digits > 10) return std::nullopt;
    rest.remove_prefix(digits);
  }
  if (rest != "Z" && rest != "+00:00") return std::nullopt;
  return ms_from_civil(c);
}

// RFC 9110 section 5.6.7: IMF-fixdate, the obsolete RFC 850 form, and asctime.
std::optional<std::int64_t> parse_http_date(std::string_view text) {
  Civil c{};
  std::string_view month, time;
  if (text.size() == 29 && has_shape(text.substr(3, 4), ", dd") && text.ends_with(" GMT")) {
    if (!has_shape(text.substr(11, 6), " dddd ")) return std::nullopt;
    c.day = number(text.substr(5, 2));
    month = text.substr(8, 3);
    c.year = number(text.substr(12, 4));
    time = text.substr(17, 8);
  } else if (const auto comma = text.find(", "); comma != std::string_view::npos &&
                                                 text.size() == comma + 24 &&
                                                 text.ends_with(" GMT")) {
    const std::string_view rest = text.substr(comma + 2);  // 06-Nov-94 08:49:37 GMT
    if (!has_shape(rest.substr(0, 3), "dd-") || !has_shape(rest.substr(6, 4), "-dd "))
      return std::nullopt;
    c.day = number(rest.substr(0, 2));
    month = rest.substr(3, 3);
    const int year = number(rest.substr(7, 2));
    c.year = year < 70 ? 2000 + year : 1900 + year;
    time = rest.substr(10, 8);
  } else if (text.size() == 24 &&
             has_shape(text.substr(19), " dddd")) {  // Sun Nov  6 08:49:37 1994
    month = text.substr(4, 3);
    const std::string_view day = text.substr(8, 2);
    if (!has_shape(day, "dd") && !has_shape(day, " d")) return std::nullopt;
    c.day = number(day);
    time = text.substr(11, 8);
    c.year = number(text.substr(20, 4));
  } else {
    return std::nullopt;
  }
  const auto month_of_year = month_number(month);
  if (!month_of_year || !has_shape(time, "dd:dd:dd")) return std::nullopt;
  c.month = *month_of_year;
  c.hour = number(time.substr(0, 2));
  c.minute = number(time.substr(3, 2));
  c.second = number(time.substr(6, 2));
  return ms_from_civil(c);
}

std::optional<std::int64_t> parse_amz_date(std::string_view text) {
  if (!has_shape(text, "ddddddddTddddddZ")) return std::nullopt;
  return ms_from_civil({number(text.substr(0, 4)), number(text.substr(4, 2)),
                        number(text.substr(6, 2)), number(text.substr(9, 2)),
                        number(text.substr(11, 2)), number(text.substr(13, 2)), 0, 0});
}

}  // namespace hydra
