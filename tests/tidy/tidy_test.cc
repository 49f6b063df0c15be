// What the compiler does not check: the direction of includes, C libraries kept behind one file,
// test files that are built, and the words that must not stay in the sources.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace hydra {
namespace {

namespace fs = std::filesystem;
const fs::path kRoot = HYDRA_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Paths of all our C++ sources, relative to the root.
std::vector<std::string> sources() {
  std::vector<std::string> found;
  for (const char* top : {"base", "erasure", "placement", "nodeagent", "gateway", "tests", "bench"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
      const auto extension = entry.path().extension();
      if (extension == ".h" || extension == ".cc")
        found.push_back(fs::relative(entry.path(), kRoot).generic_string());
    }
  std::sort(found.begin(), found.end());
  return found;
}

// Layers from the top down. A file may include from its own layer and from those below it; among
// the four below the catalog only as `kMayUse` says.
const std::vector<std::pair<std::string, int>> kLayers = {
    {"tests/", 100},          {"bench/", 100},           {"gateway/ctl/", 90},
    {"gateway/catalog/", 50}, {"gateway/journal/", 52},  {"gateway/object/", 60},
    {"gateway/http/", 60},    {"gateway/heal/", 55},     {"gateway/s3/", 70},
    {"gateway/admin/", 80},   {"gateway/", 90},          {"nodeagent/protocol/", 20},
    {"nodeagent/store/", 21}, {"nodeagent/client/", 30}, {"nodeagent/", 31},
    {"placement/", 15},       {"erasure/", 10},          {"base/", 0}};

int layer_of(const std::string& path) {
  for (const auto& [prefix, layer] : kLayers)
    if (path.starts_with(prefix)) return layer;
  return -1;
}

bool is_test(const std::string& path) {
  static const std::regex kPattern(
      R"((_test|_fuzz|_bench|_fixture|_tests)\.(cc|h)$|/test_|/testing)");
  return path.starts_with("tests/") || path.starts_with("bench/") ||
         std::regex_search(path, kPattern);
}

std::vector<std::string> includes_of(const std::string& text) {
  static const std::regex kInclude(R"re((?:^|\n)#include "([^"]+)")re");
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), kInclude), end; it != end; ++it)
    found.push_back((*it)[1]);
  return found;
}

TEST(Tidy, IncludesPointDownwards) {
  for (const auto& path : sources()) {
    if (is_test(path)) continue;
    for (const auto& include : includes_of(read(kRoot / path))) {
      ASSERT_TRUE(fs::exists(kRoot / include)) << path << " includes " << include;
      EXPECT_GE(layer_of(include), 0) << path << " includes " << include;
      EXPECT_LE(layer_of(include), layer_of(path)) << path << " includes " << include;
      EXPECT_FALSE(is_test(include) && !include.ends_with("memory_stream.h"))
          << path << " includes " << include;
    }
  }
}

TEST(Tidy, LibrariesStayBehindTheirFolders) {
  const std::vector<std::pair<std::string, std::string>> kOnlyIn = {
      {"pistache/", "base/runtime/pistache/"},
      {"liburing.h", "base/runtime/pistache/"},
      {"lmdb.h", "base/kv/"},
      {"yaml-cpp/", "base/config/"},
      {"spdlog/", "base/log"},
      {"isa-l/erasure_code.h", "erasure/"},
      {"isa-l/crc.h", "base/crc32c.cc"},
      {"pugixml.hpp", "gateway/s3/xml.cc"},
      {"openssl/ssl.h", "base/runtime/tls.cc"}};
  for (const auto& path : sources()) {
    if (is_test(path) || path.find("/test") != std::string::npos) continue;
    const std::string text = read(kRoot / path);
    for (const auto& [header, home] : kOnlyIn)
      EXPECT_TRUE(text.find("#include <" + header) == std::string::npos || path.starts_with(home))
          << path << " includes <" << header;
  }
}

TEST(Tidy, EveryTestAndFuzzerIsBuilt) {
  for (const auto& path : sources()) {
    if (!path.ends_with("_test.cc") && !path.ends_with("_fuzz.cc")) continue;
    const fs::path file(path);
    const std::string name = file.filename().string();
    bool named = false;
    for (fs::path folder = file.parent_path(); !named; folder = folder.parent_path()) {
      named = fs::exists(kRoot / folder / "CMakeLists.txt") &&
              read(kRoot / folder / "CMakeLists.txt").find(name) != std::string::npos;
      if (folder.empty()) break;
    }
    EXPECT_TRUE(named) << path << " is in no CMakeLists.txt";
  }
}

TEST(Tidy, TimeAndThreadsComeThroughTheRuntime) {
  const std::regex banned(
      R"(std::thread\b|std::this_thread|std::chrono::(system|steady)_clock|\brand\(\)|\btime\(nullptr\))");
  const std::vector<std::string> allowed = {"base/runtime/pistache/", "base/log", "base/kv/",
                                            "gateway/options.cc", "gateway/ctl/"};
  for (const auto& path : sources()) {
    if (is_test(path) || path.ends_with("main.cc")) continue;
    if (std::any_of(allowed.begin(), allowed.end(),
                    [&](const std::string& prefix) { return path.starts_with(prefix); }))
      continue;
    std::istringstream lines(read(kRoot / path));
    for (std::string line; std::getline(lines, line);)
      EXPECT_FALSE(line.find("//") > line.size() && std::regex_search(line, banned))
          << path << ": " << line;
  }
}

TEST(Tidy, NothingWasLeftForLater) {
  const std::regex left(R"(\b(TO)DO\b|\b(FIX)ME\b|\bX{3}\b|GTEST_(SKIP)|DISABLED(_))");
  for (const auto& path : sources())
    EXPECT_FALSE(std::regex_search(read(kRoot / path), left)) << path;
}

}  // namespace
}  // namespace hydra
