// The process's log: lines of text to standard error or a file. From any thread; formatting happens
// only when the level is on. Nothing is written before configure(), so tests and simulations are
// quiet.
//
// Never log a secret, a plaintext of an object or a signature. Control characters in a message are
// written as \xNN, so that what a client sends cannot forge a line. log.cc is the only file that
// includes spdlog.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hydra::log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError, kOff };

std::string_view level_name(Level level);
std::optional<Level> parse_level(
    std::string_view name);  // "debug", "info", "warning", "error", "off"

struct Options {
  Level level = Level::kInfo;
  std::string file;  // appended to, made with mode 0640; empty: standard error
};

// May be called again, to change the level or to reopen a file that was moved away. kIo: the file
// cannot be opened; the log stays as it was.
Status configure(const Options& options);

namespace detail {
extern std::atomic<Level> level;
void write(Level level, fmt::string_view format, fmt::format_args args);
}  // namespace detail

inline bool enabled(Level level) { return level >= detail::level.load(std::memory_order_relaxed); }

template <typename... Args>
void write(Level level, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level)) detail::write(level, format, fmt::make_format_args(args...));
}
template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kDebug)) detail::write(Level::kDebug, format, fmt::make_format_args(args...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kInfo)) detail::write(Level::kInfo, format, fmt::make_format_args(args...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kWarning))
    detail::write(Level::kWarning, format, fmt::make_format_args(args...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kError)) detail::write(Level::kError, format, fmt::make_format_args(args...));
}

// While it lives, messages of its level and above go to it instead ("warning: disk is full"). For
// tests; one at a time.
class Capture {
 public:
  explicit Capture(Level level = Level::kDebug);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  std::vector<std::string> lines() const;
  bool contains(std::string_view text) const;

 private:
  friend void detail::write(Level, fmt::string_view, fmt::format_args);
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  Level level_before_;
};

}  // namespace hydra::log
