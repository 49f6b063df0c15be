#include "base/log.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <iterator>
#include <memory>
#include <system_error>

#include "base/assert.h"

namespace hydra::log {
namespace {

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error", "off"};

// Set under the mutex; both null: nothing is written.
struct Target {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> logger;
  Capture* capture = nullptr;
};
Target& target() {
  static auto* instance = new Target;  // never destroyed: destructors of statics may log
  return *instance;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      break;
  }
  return spdlog::level::off;
}

bool is_control(unsigned char byte) { return (byte < 0x20 && byte != '\t') || byte == 0x7f; }

std::string one_line(fmt::string_view format, fmt::format_args args) {
  std::string text;
  try {
    text = fmt::vformat(format, args);
  } catch (const std::exception& error) {
    text = std::string("message cannot be formatted: ") + error.what();
  }
  if (std::none_of(text.begin(), text.end(), is_control)) return text;
  std::string out;
  for (unsigned char byte : text) {
    if (is_control(byte)) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out.push_back(static_cast<char>(byte));
    }
  }
  return out;
}

Result<std::shared_ptr<spdlog::logger>> make_logger(const std::string& file) {
  try {
    spdlog::sink_ptr sink;
    if (file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
    } else {
      int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
      if (fd < 0) return fail(Code::kIo, file + ": " + std::generic_category().message(errno));
      ::close(fd);  // it has its mode now
      sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(file);
    }
    auto logger = std::make_shared<spdlog::logger>("hydra", std::move(sink));
    logger->set_level(spdlog::level::trace);  // enabled() has decided
    logger->flush_on(spdlog::level::info);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l [%t] %v", spdlog::pattern_time_type::utc);
    return logger;
  } catch (const std::exception& error) {
    return fail(Code::kIo, error.what());
  }
}

}  // namespace

namespace detail {

std::atomic<Level> level{Level::kOff};

void write(Level level, fmt::string_view format, fmt::format_args args) {
  if (level >= Level::kOff) return;
  std::string text = one_line(format, args);
  Target& to = target();
  std::lock_guard lock(to.mutex);
  if (to.capture != nullptr) {
    std::lock_guard lines_lock(to.capture->mutex_);
    to.capture->lines_.push_back(std::string(level_name(level)) + ": " + text);
  } else if (to.logger != nullptr) {
    to.logger->log(spdlog_level(level), spdlog::string_view_t(text));
  }
}

}  // namespace detail

std::string_view level_name(Level level) { return kNames[static_cast<std::size_t>(level)]; }

std::optional<Level> parse_level(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name) return static_cast<Level>(i);
  return std::nullopt;
}

Status configure(const Options& options) {
  HYDRA_TRY(auto logger, make_logger(options.file));
  Target& to = target();
  std::lock_guard lock(to.mutex);
  to.logger = std::move(logger);
  detail::level = options.level;
  return {};
}

Capture::Capture(Level level) {
  Target& to = target();
  std::lock_guard lock(to.mutex);
  HYDRA_ASSERT(to.capture == nullptr);
  to.capture = this;
  level_before_ = detail::level.exchange(level);
}

Capture::~Capture() {
  Target& to = target();
  std::lock_guard lock(to.mutex);
  to.capture = nullptr;
  detail::level = level_before_;
}

std::vector<std::string> Capture::lines() const {
  std::lock_guard lock(mutex_);
  return lines_;
}

bool Capture::contains(std::string_view text) const {
  std::lock_guard lock(mutex_);
  return std::any_of(lines_.begin(), lines_.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

}  // namespace hydra::log
