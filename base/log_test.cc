#include "base/log.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <thread>
#include <vector>

namespace hydra::log {
namespace {

struct Throws {};

}  // namespace
}  // namespace hydra::log

template <>
struct fmt::formatter<hydra::log::Throws> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  template <typename Context>
  auto format(const hydra::log::Throws&, Context& context) const -> decltype(context.out()) {
    throw std::runtime_error("no");
  }
};

namespace hydra::log {
namespace {

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hydra_log_XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~LogFileTest() override {
    EXPECT_TRUE(configure({.level = Level::kOff}));
    std::filesystem::remove_all(directory_);
  }
  std::string path() const { return directory_ + "/hydra.log"; }
  static std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string directory_;
};

TEST(Log, IsQuietUntilConfigured) {
  EXPECT_FALSE(enabled(Level::kError));
  testing::internal::CaptureStderr();
  error("nobody hears {}", "this");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Log, LevelsHaveNames) {
  for (const char* name : {"debug", "info", "warning", "error", "off"})
    EXPECT_EQ(level_name(parse_level(name).value()), name);
  EXPECT_FALSE(parse_level("loud"));
}

TEST(Log, CaptureTakesItsLevelAndAbove) {
  {
    Capture capture(Level::kWarning);
    debug("a {}", 1);
    info("b");
    warning("c {:.1f} {}", 0.25, std::string("x"));
    error("d");
    write(Level::kError, "e");
    EXPECT_EQ(capture.lines(),
              (std::vector<std::string>{"warning: c 0.2 x", "error: d", "error: e"}));
    EXPECT_TRUE(capture.contains("0.2 x"));
    EXPECT_FALSE(capture.contains("b"));
  }
  EXPECT_FALSE(enabled(Level::kError));
}

TEST(Log, ClientsCannotForgeLines) {
  Capture capture;
  info("key {}", "a\n2026-01-01 error: forged\x1b[31m\tö");
  EXPECT_EQ(capture.lines().at(0), "info: key a\\x0a2026-01-01 error: forged\\x1b[31m\tö");
}

TEST(Log, FormatterThatThrowsDoesNotReachTheCaller) {
  Capture capture;
  info("{}", Throws());
  EXPECT_TRUE(capture.contains("cannot be formatted"));
}

TEST(Log, ArgumentsAreNotFormattedWhenTheLevelIsOff) {
  Capture capture(Level::kError);
  info("{}", Throws());
  EXPECT_TRUE(capture.lines().empty());
}

TEST_F(LogFileTest, LinesHaveTimeLevelThreadAndText) {
  ASSERT_TRUE(configure({.level = Level::kInfo, .file = path()}));
  info("hello {}", "{grid}");
  debug("unheard");
  std::regex line(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info \[\d+\] hello \{grid\}\n)");
  EXPECT_TRUE(std::regex_match(content(path()), line)) << content(path());
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777 & ~0640u, 0u);
}

TEST_F(LogFileTest, ConfiguringAgainReopensAMovedFile) {
  ASSERT_TRUE(configure({.file = path()}));
  info("one");
  std::filesystem::rename(path(), path() + ".1");
  ASSERT_TRUE(configure({.file = path()}));
  info("two");
  EXPECT_NE(content(path() + ".1").find("one"), std::string::npos);
  EXPECT_EQ(content(path()).find("one"), std::string::npos);
  EXPECT_NE(content(path()).find("two"), std::string::npos);
}

TEST_F(LogFileTest, FileThatCannotBeOpenedLeavesTheLogAsItWas) {
  ASSERT_TRUE(configure({.file = path()}));
  EXPECT_EQ(configure({.file = directory_ + "/none/x"}).error().code, Code::kIo);
  info("still here");
  EXPECT_NE(content(path()).find("still here"), std::string::npos);
}

TEST_F(LogFileTest, LinesOfManyThreadsStayWhole) {
  ASSERT_TRUE(configure({.file = path()}));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) info("{}", std::string(100, 'x'));
    });
  for (std::thread& thread : threads) thread.join();
  std::ifstream file(path());
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line); ++lines)
    EXPECT_TRUE(line.ends_with("] " + std::string(100, 'x')));
  EXPECT_EQ(lines, 800u);
}

}  // namespace
}  // namespace hydra::log
