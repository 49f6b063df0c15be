#include "base/config/reader.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace hydra::config {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Reader read(std::string_view text, Variables variables = {}) {
  return Reader::from_text("/etc/hydra/gateway.yaml", text, std::move(variables));
}
std::string report(Reader& reader) {
  Status status = reader.finish();
  if (status) return "(fine)";
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  return status.error().message;
}

TEST(ConfigReader, ValuesAreReadByTheirTypes) {
  Reader reader = read(R"(
s3:
  listen: 127.0.0.1:9000
  region: "eu-1"
  virtual_hosts: [a.example, b.example]
  strict: yes
memory: {budget: 256MiB, share: 0.5}
heal:
  delay: 15m
  workers: 4
  order: fewest
devices:
  - path: /srv/a
    zone: left
  - path: b
)");
  EXPECT_EQ(reader.address("s3.listen", ""), "127.0.0.1:9000");
  EXPECT_EQ(reader.text("s3.region", ""), "eu-1");
  EXPECT_EQ(reader.texts("s3.virtual_hosts", {}),
            (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_TRUE(reader.flag("s3.strict", false));
  EXPECT_EQ(reader.size("memory.budget", 0), 256u << 20);
  EXPECT_EQ(reader.real("memory.share", 0, 0, 1), 0.5);
  EXPECT_EQ(reader.duration("heal.delay", 0), 900 * kSecond);
  EXPECT_EQ(reader.integer("heal.workers", 1, 1, 64), 4);
  EXPECT_EQ(reader.choice("heal.order", "oldest", {"oldest", "fewest"}), "fewest");
  auto devices = reader.list("devices");
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].path("path", ""), "/srv/a");
  EXPECT_EQ(devices[0].text("zone", "?"), "left");
  EXPECT_EQ(devices[1].path("path", ""), "/etc/hydra/b");
  EXPECT_EQ(devices[1].text("zone", "?"), "?");
  EXPECT_EQ(report(reader), "(fine)");
}

TEST(ConfigReader, AbsentAndEmptyValuesGiveTheDefault) {
  for (const char* text : {"", "s3:", "s3:\n  # listen: x\n", "s3:\n  listen:\n", "# nothing\n"}) {
    Reader reader = read(text);
    EXPECT_EQ(reader.address("s3.listen", "d:1"), "d:1");
    EXPECT_EQ(reader.size("s3.head", 7), 7u);
    EXPECT_EQ(reader.section("s3").integer("n", 5, 10, 20), 5);
    EXPECT_TRUE(reader.list("users").empty());
    EXPECT_EQ(reader.path("dir", ""), "");
    EXPECT_EQ(report(reader), "(fine)") << text;
  }
}

TEST(ConfigReader, UnknownKeyNamesItsLineAndTheNearestKey) {
  Reader reader = read("s3:\n  listen: a:1\n  listne: b:2\n  something_else: 1\n");
  reader.address("s3.listen", "");
  reader.size("s3.max_head", 0);
  EXPECT_EQ(report(reader),
            "/etc/hydra/gateway.yaml:3: s3.listne: unknown key; did you mean listen?\n"
            "/etc/hydra/gateway.yaml:4: s3.something_else: unknown key");
}

TEST(ConfigReader, UnknownSectionIsReportedOnce) {
  Reader reader = read("s33:\n  listen: a:1\n  region: b\nother: {x: 1, y: 2}\n");
  reader.address("s3.listen", "");
  EXPECT_EQ(report(reader),
            "/etc/hydra/gateway.yaml:1: s33: unknown key; did you mean s3?\n"
            "/etc/hydra/gateway.yaml:4: other: unknown key");
}

TEST(ConfigReader, KeyInTheWrongSectionIsPointedToTheRightOne) {
  Reader reader = read("s3:\n  heartbeat: 1s\n");
  reader.address("s3.listen", "");
  reader.duration("grid.heartbeat", 0);
  EXPECT_EQ(report(reader),
            "/etc/hydra/gateway.yaml:2: s3.heartbeat: unknown key; did you mean grid.heartbeat?");
}

TEST(ConfigReader, UnknownKeyInAListItem) {
  Reader reader = read("users:\n  - name: a\n  - nmae: b\n");
  for (Section& user : reader.list("users")) user.text("name", "");
  EXPECT_EQ(report(reader),
            "/etc/hydra/gateway.yaml:3: users[1].nmae: unknown key; did you mean name?");
}

TEST(ConfigReader, WrongTypesNameTheLineTheKeyAndWhatIsWanted) {
  Reader reader = read(
      "a: 12x\nb: 3\nc: maybe\nd: localhost\ne: [1, 2]\nf: {g: 1}\nh: 1.5\ni: fast\nj: x\n"
      "k: 5\nl: [1]\nm: 5\n");
  EXPECT_EQ(reader.size("a", 1), 1u);
  EXPECT_EQ(reader.duration("b", 2), 2);
  EXPECT_TRUE(reader.flag("c", true));
  EXPECT_EQ(reader.address("d", "z:1"), "z:1");
  EXPECT_EQ(reader.text("e", "dflt"), "dflt");
  EXPECT_EQ(reader.integer("f", 3, 0, 9), 3);
  EXPECT_EQ(reader.integer("h", 4, 0, 9), 4);
  EXPECT_EQ(reader.choice("i", "slow", {"slow", "fas"}), "slow");
  EXPECT_EQ(reader.real("j", 0.5, 0, 1), 0.5);
  EXPECT_TRUE(reader.list("k").empty());
  EXPECT_TRUE(reader.list("l").empty());
  EXPECT_EQ(reader.text("m.n", "o"), "o");
  EXPECT_EQ(report(reader),
            R"(/etc/hydra/gateway.yaml:1: a: "12x" is not a size (such as 64MiB)
/etc/hydra/gateway.yaml:2: b: "3" is not a duration (such as 150ms or 3s)
/etc/hydra/gateway.yaml:3: c: "maybe" is not true or false
/etc/hydra/gateway.yaml:4: d: "localhost" is not an address (HOST:PORT or unix:/path)
/etc/hydra/gateway.yaml:5: e: must be text, not a list
/etc/hydra/gateway.yaml:6: f: must be a whole number, not a map
/etc/hydra/gateway.yaml:7: h: "1.5" is not a whole number
/etc/hydra/gateway.yaml:8: i: "fast" is not one of slow, fas; did you mean fas?
/etc/hydra/gateway.yaml:9: j: "x" is not a number
/etc/hydra/gateway.yaml:10: k: must be a list, not a value
/etc/hydra/gateway.yaml:11: l[0]: must be a map, not a value
/etc/hydra/gateway.yaml:12: m: must be a map, not a value)");
}

TEST(ConfigReader, NumbersOutOfRangeNameTheRange) {
  Reader reader = read("a: 900\nb: 1KiB\nc: 1h\nd: -0.5\ne: 99999999999999999999\nf: nan\n");
  EXPECT_EQ(reader.integer("a", 4, 1, 64), 4);
  EXPECT_EQ(reader.size("b", 5, 64 << 10, 1 << 30), 5u);
  EXPECT_EQ(reader.duration("c", 6, kSecond / 10, 60 * kSecond), 6);
  EXPECT_EQ(reader.real("d", 0.1, 0, 1), 0.1);
  reader.integer("e", 1, 0, INT64_MAX);
  reader.real("f", 1, 0, 1);
  EXPECT_EQ(report(reader),
            R"(/etc/hydra/gateway.yaml:1: a: 900 is not in the range 1 to 64
/etc/hydra/gateway.yaml:2: b: 1KiB is not in the range 64KiB to 1GiB
/etc/hydra/gateway.yaml:3: c: 1h is not in the range 100ms to 1m
/etc/hydra/gateway.yaml:4: d: -0.5 is not in the range 0 to 1
/etc/hydra/gateway.yaml:5: e: "99999999999999999999" is not a whole number
/etc/hydra/gateway.yaml:6: f: "nan" is not a number)");
}

TEST(ConfigReader, BadYamlIsOneMistakeWithItsLine) {
  Reader reader = read("s3:\n  listen: a:1\n bad: [1,\n");
  reader.require("s3.region");
  std::string text = report(reader);
  EXPECT_TRUE(text.starts_with("/etc/hydra/gateway.yaml:3: not valid YAML: ")) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST(ConfigReader, DoubledKeysAliasesAndSecondDocumentsAreRefused) {
  Reader reader = read("a: &x 1\nb: *x\na: 2\n---\nc: 1\n");
  EXPECT_EQ(reader.integer("a", 0, 0, 9), 1);
  reader.text("b", "");
  EXPECT_EQ(report(reader),
            "/etc/hydra/gateway.yaml:2: aliases are not supported\n"
            "/etc/hydra/gateway.yaml:3: key \"a\" stands already in line 1\n"
            "/etc/hydra/gateway.yaml:5: a second document; only one is read");
}

TEST(ConfigReader, FileMustBeAMap) {
  for (const char* text : {"- a\n- b\n", "just words"}) {
    Reader reader = read(text);
    EXPECT_EQ(report(reader), "/etc/hydra/gateway.yaml:1: must be a map of sections");
  }
}

TEST(ConfigReader, RequiredKeysAndMistakesOfTheCaller) {
  Reader reader = read("a: 1\nb: 2\n");
  reader.require("a");
  reader.require("node.device");
  reader.integer("a", 0, 0, 9);
  reader.integer("b", 0, 0, 9);
  reader.mistake("b", "must be less than a");
  EXPECT_EQ(report(reader),
            "/etc/hydra/gateway.yaml:2: b: must be less than a\n"
            "/etc/hydra/gateway.yaml: node.device: is required");
}

TEST(ConfigReader, EnvironmentOverridesTheFile) {
  Reader reader = read("s3:\n  listen: {not: even, a: scalar}\n  names: [a]\n",
                       {{"HYDRA_S3_LISTEN", "h:1"},
                        {"HYDRA_S3_NAMES", "x, y,"},
                        {"HYDRA_MEMORY_BUDGET", "1GiB"},
                        {"HYDRA_S3_EMPTY", ""},
                        {"HOME", "/root"}});
  EXPECT_EQ(reader.address("s3.listen", ""), "h:1");
  EXPECT_EQ(reader.texts("s3.names", {}), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(reader.section("memory").size("budget", 0), 1u << 30);
  EXPECT_EQ(reader.text("s3.empty", "default"), "default");
  EXPECT_EQ(report(reader), "(fine)");
}

TEST(ConfigReader, WrongOverrideNamesItsVariable) {
  Reader reader = read("a: 5\n", {{"HYDRA_A", "many"}, {"HYDRA_B_C", "x"}});
  EXPECT_EQ(reader.integer("a", 1, 0, 9), 1);
  reader.addresses("b.c", {});
  EXPECT_EQ(report(reader),
            "HYDRA_A: a: \"many\" is not a whole number\n"
            "HYDRA_B_C: b.c: \"x\" is not an address (HOST:PORT or unix:/path)");
}

TEST(ConfigReader, UnknownVariableIsAMistakeUnlessAllowed) {
  Reader reader = read("", {{"HYDRA_S3_LISTNE", "h:1"}, {"HYDRA_HOME", "x"}, {"HYDRA_ELSE", "y"}});
  reader.address("s3.listen", "");
  reader.allow_variable("HYDRA_HOME");
  EXPECT_EQ(report(reader),
            "HYDRA_ELSE: overrides no key\n"
            "HYDRA_S3_LISTNE: overrides no key; did you mean HYDRA_S3_LISTEN?");
}

TEST(ConfigReader, FileIsReadFromItsPath) {
  std::string pattern = (std::filesystem::temp_directory_path() / "hydra_config_XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  std::string path = pattern + "/agent.yaml";
  EXPECT_EQ(Reader::from_file(path, {}).finish().error().message,
            path + ": cannot be read: No such file or directory");
  std::ofstream(path) << "device: data\n";
  Reader reader = Reader::from_file(path, {});
  EXPECT_EQ(reader.path("device", ""), pattern + "/data");
  EXPECT_EQ(report(reader), "(fine)");
  std::ofstream(path) << std::string(2 << 20, '#');
  Reader large = Reader::from_file(path, {});
  EXPECT_EQ(report(large), path + ": larger than 1 MiB");
  EXPECT_FALSE(Reader::from_file(pattern, {}).finish());
  std::filesystem::remove_all(pattern);
}

TEST(ConfigReader, DeepNestingIsRefused) {
  for (const char* piece : {"[", "{a: ", "- ", "? "}) {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += piece;
    Reader reader = read(text);
    reader.text("a", "");
    EXPECT_NE(report(reader), "(fine)");
  }
}

void read_everything(std::string_view text) {
  Reader reader = read(text);
  reader.text("a", "");
  reader.flag("b", false);
  reader.integer("a.b", 0, 0, 1);
  reader.size("c", 0);
  reader.duration("d", 0);
  reader.texts("a", {});
  for (Section& item : reader.list("b")) item.path("a", "");
  reader.section("c").address("a", "");
  reader.require("d");
  (void)reader.finish();
}

RC_GTEST_PROP(ConfigReader, AnyBytesAreReadOrRefused, (std::string text)) { read_everything(text); }

RC_GTEST_PROP(ConfigReader, AnyMixOfYamlPiecesIsReadOrRefused, ()) {
  auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "a", "b", "c", "d", ":", ": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ",", "\"", "'", "#",
      "|", ">", "&a", "*a", "!", "!!int ", "? ", "%", "@", "`", "---\n", "...\n", "~", "\t", "\\x",
      std::string("\0", 1), "\xff\xfe", "\xef\xbb\xbf", "1", "-", "<<: "));
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  read_everything(text);
}

}  // namespace
}  // namespace hydra::config
