#include "gateway/options.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace hydra {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file) << path;
  return text.str();
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// A directory with the files that a configuration names.
class GatewayOptionsTest : public testing::Test {
 protected:
  GatewayOptionsTest() {
    char name[] = "/tmp/hydra-options-XXXXXX";
    directory_ = ::mkdtemp(name);
    write("credentials",
          "[default]\naws_access_key_id = HGROOT\naws_secret_access_key = verysecret\n");
  }
  ~GatewayOptionsTest() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, std::string_view text) const {
    std::ofstream(directory_ / name) << text;
  }
  Result<ProcessOptions> load(std::string_view text) {
    write("gateway.yaml", text);
    return load_options(directory_ / "gateway.yaml", created_keys_);
  }

  std::filesystem::path directory_;
  bool created_keys_ = false;
};

constexpr std::string_view kEverything = R"(
gateway: {workers: 3}
s3:
  listen: 0.0.0.0:9443
  region: eu-central-1
  domain: [s3.example.org, objects.example.org]
  tls: {certificate: cert.pem, key: key.pem}
  max_connections: 77
  head_timeout: 5s
  idle_timeout: 2m
  body_timeout: 1500ms
  users:
    - {id: alice, display_name: Alice, access_key: HGALICE, secret_key: quitesecret}
    - {id: bob, access_key: HGBOB, secret_key: rathersecret, root: true}
grid:
  listen: ["unix:/run/hydra/grid.sock", "0.0.0.0:9200"]
  advertise: ["gate.example.org:9200", "192.168.7.1:9200"]
  evict_after: 30d
catalog: {directory: catalog, map_size: 8GiB}
keys: {file: keys/master.key}
credentials: {file: credentials}
storage: {profile: 8+3, memory: 96MiB, replicate_up_to: 4KiB, grace: 90s, upload_expiry: 1h}
heal:
  delay: 2m
  floor: 1MiB
  ceiling: 8MiB
  rebalance: manual
  survey_every: 2h
  scrub_period: 7d
  scrub_bandwidth: {floor: 2MiB, ceiling: 3MiB}
  inventory_period: 2h
  orphan_grace: 3h
admin: {listen: "unix:/run/hydra/admin.sock"}
metrics: {public: true}
log: {file: gateway.log, level: warning}
)";

TEST_F(GatewayOptionsTest, EveryKeyArrivesWhereItBelongs) {
  const auto options = load(kEverything);
  ASSERT_TRUE(options) << options.error().message;
  const GatewayOptions& gateway = options->gateway;
  EXPECT_EQ(options->workers, 3u);
  EXPECT_EQ(options->serve.address.text, "0.0.0.0:9443");
  ASSERT_TRUE(options->serve.tls);
  EXPECT_EQ(gateway.service.region, "eu-central-1");
  EXPECT_THAT(gateway.service.domains, ElementsAre("s3.example.org", "objects.example.org"));
  EXPECT_EQ(gateway.max_connections, 77u);
  EXPECT_EQ(gateway.limits.head_timeout, 5 * kSecond);
  EXPECT_EQ(gateway.limits.idle_timeout, 120 * kSecond);
  EXPECT_EQ(gateway.limits.body_timeout, 1500 * kMillisecond);
  ASSERT_EQ(gateway.credentials->size(), 3u);
  EXPECT_TRUE(gateway.credentials->find("HGROOT")->owner.root);
  EXPECT_EQ(gateway.credentials->find("HGALICE")->owner.display_name, "Alice");
  EXPECT_FALSE(gateway.credentials->find("HGALICE")->owner.root);
  EXPECT_EQ(gateway.credentials->find("HGBOB")->owner.display_name, "bob");
  EXPECT_TRUE(gateway.credentials->find("HGBOB")->owner.root);
  ASSERT_EQ(gateway.grid_addresses.size(), 2u);
  EXPECT_EQ(gateway.grid_addresses[1].text, "0.0.0.0:9200");
  EXPECT_THAT(gateway.advertised, ElementsAre("gate.example.org:9200", "192.168.7.1:9200"));
  EXPECT_EQ(gateway.membership.evict_after, 30 * 24 * 3600 * kSecond);
  EXPECT_EQ(gateway.catalog_directory, directory_ / "catalog");
  EXPECT_EQ(gateway.catalog.map_bytes, 8ull << 30);
  EXPECT_EQ(options->key_file, directory_ / "keys/master.key");
  EXPECT_EQ(gateway.store.profile, (erasure::Profile{8, 3}));
  EXPECT_EQ(gateway.store.budget_bytes, 32u << 20);
  EXPECT_EQ(gateway.store.small_bytes, 4096u);
  EXPECT_EQ(gateway.healing.sweep.grace_ms, 90'000);
  EXPECT_EQ(gateway.healing.sweep.upload_expiry_ms, 3'600'000);
  EXPECT_EQ(gateway.healing.watch.delay, 120 * kSecond);
  EXPECT_EQ(gateway.healing.pace.floor, 1u << 20);
  EXPECT_EQ(gateway.healing.pace.ceiling, 8u << 20);
  EXPECT_FALSE(gateway.healing.rebalance);
  EXPECT_EQ(gateway.healing.survey_every, 7200 * kSecond);
  EXPECT_EQ(gateway.scrub.period_ms, 7 * 24 * 3'600'000);
  EXPECT_EQ(gateway.scrub.floor, 2u << 20);
  EXPECT_EQ(gateway.scrub.ceiling, 3u << 20);
  EXPECT_EQ(gateway.inventory.period, 7200 * kSecond);
  EXPECT_EQ(gateway.inventory.orphan_grace_ms, 3 * 3'600'000);
  EXPECT_EQ(gateway.inventory.stray_grace_ms, 90'000);
  EXPECT_EQ(gateway.admin_address.text, "unix:/run/hydra/admin.sock");
  EXPECT_TRUE(gateway.public_metrics);
  EXPECT_EQ(options->log.file, directory_ / "gateway.log");
  EXPECT_EQ(options->log.level, log::Level::kWarning);
}

TEST_F(GatewayOptionsTest, TheFileThatExplainsEveryKeyGivesTheDefaults) {
  std::string text = read(std::filesystem::path(HYDRA_SOURCE_DIR) / "conf/gateway.yaml");
  text = replaced(std::move(text), "/etc/hydra/", "");
  text = replaced(std::move(text), "/var/lib/hydra/", "");
  const auto explained = load(text);
  ASSERT_TRUE(explained) << explained.error().message;
  const auto shortest = load(
      "catalog: {directory: catalog}\nkeys: {file: master.key}\n"
      "credentials: {file: credentials}\n");
  ASSERT_TRUE(shortest) << shortest.error().message;
  const GatewayOptions& a = explained->gateway;
  const GatewayOptions& b = shortest->gateway;
  EXPECT_EQ(explained->workers, shortest->workers);
  EXPECT_EQ(explained->serve.address.text, shortest->serve.address.text);
  EXPECT_FALSE(explained->serve.tls);
  EXPECT_EQ(a.service.region, b.service.region);
  EXPECT_EQ(a.service.domains, b.service.domains);
  EXPECT_EQ(a.max_connections, b.max_connections);
  EXPECT_EQ(a.limits.head_timeout, b.limits.head_timeout);
  EXPECT_EQ(a.limits.idle_timeout, b.limits.idle_timeout);
  EXPECT_EQ(a.limits.body_timeout, b.limits.body_timeout);
  EXPECT_EQ(a.grid_addresses.front().text, b.grid_addresses.front().text);
  EXPECT_EQ(a.advertised, b.advertised);
  EXPECT_EQ(a.membership.evict_after, b.membership.evict_after);
  EXPECT_EQ(a.catalog_directory, b.catalog_directory);
  EXPECT_EQ(a.catalog.map_bytes, b.catalog.map_bytes);
  EXPECT_EQ(a.store.profile, b.store.profile);
  EXPECT_EQ(a.store.budget_bytes, b.store.budget_bytes);
  EXPECT_EQ(a.store.small_bytes, b.store.small_bytes);
  EXPECT_EQ(a.healing.sweep.grace_ms, b.healing.sweep.grace_ms);
  EXPECT_EQ(a.healing.sweep.upload_expiry_ms, b.healing.sweep.upload_expiry_ms);
  EXPECT_EQ(a.healing.watch.delay, b.healing.watch.delay);
  EXPECT_EQ(a.healing.pace.floor, b.healing.pace.floor);
  EXPECT_EQ(a.healing.pace.ceiling, b.healing.pace.ceiling);
  EXPECT_EQ(a.healing.rebalance, b.healing.rebalance);
  EXPECT_EQ(a.healing.survey_every, b.healing.survey_every);
  EXPECT_EQ(a.scrub.period_ms, b.scrub.period_ms);
  EXPECT_EQ(a.scrub.floor, b.scrub.floor);
  EXPECT_EQ(a.scrub.ceiling, b.scrub.ceiling);
  EXPECT_EQ(a.inventory.period, b.inventory.period);
  EXPECT_EQ(a.inventory.orphan_grace_ms, b.inventory.orphan_grace_ms);
  EXPECT_EQ(a.inventory.stray_grace_ms, b.inventory.stray_grace_ms);
  EXPECT_EQ(a.admin_address.text, "");
  EXPECT_EQ(a.public_metrics, b.public_metrics);
  EXPECT_EQ(explained->log.level, shortest->log.level);
  EXPECT_EQ(explained->log.file, "");
}

// Each key that options.cc asks for stands in the file, at the end of its path.
TEST_F(GatewayOptionsTest, NoKeyIsLeftUnexplained) {
  const std::filesystem::path source = HYDRA_SOURCE_DIR;
  const std::string code = read(source / "gateway/options.cc");
  const std::string text = read(source / "conf/gateway.yaml");
  const std::regex asked(R"((?:reader|item)\.(?!mistake|require)\w+\(\s*"([a-z0-9_.]+)\")");
  std::size_t keys = 0;
  for (std::sregex_iterator at(code.begin(), code.end(), asked), end; at != end; ++at, ++keys) {
    const std::string path = (*at)[1];
    const std::string key = path.substr(path.rfind('.') + 1);
    EXPECT_TRUE(std::regex_search(text, std::regex("\\b" + key + ":"))) << path;
  }
  EXPECT_GE(keys, 28u);
}

TEST_F(GatewayOptionsTest, UnknownKeyIsRefusedWithItsLineAndTheNearestKey) {
  const auto options = load(replaced(std::string(kEverything), "  region:", "  regoin:"));
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().code, Code::kInvalidArgument);
  EXPECT_EQ(options.error().message, (directory_ / "gateway.yaml").string() +
                                         ":5: s3.regoin: unknown key; did you mean region?");
}

TEST_F(GatewayOptionsTest, MistakesAreReportedTogether) {
  std::string text = replaced(std::string(kEverything), "8+3", "8");
  text = replaced(std::move(text), ", key: key.pem", "");
  text = replaced(std::move(text), "unix:/run/hydra/admin.sock", "0.0.0.0:9500");
  const auto options = load(text);
  ASSERT_FALSE(options);
  EXPECT_THAT(options.error().message, HasSubstr("storage.profile"));
  EXPECT_THAT(options.error().message, HasSubstr("certificate and key must be given together"));
  EXPECT_THAT(options.error().message, HasSubstr("admin.listen: want unix:/path"));
}

TEST_F(GatewayOptionsTest, RequiredKeysAreAskedFor) {
  const auto options = load("s3: {listen: \"127.0.0.1:0\"}\n");
  ASSERT_FALSE(options);
  for (const char* key : {"catalog.directory", "keys.file", "credentials.file"})
    EXPECT_THAT(options.error().message, HasSubstr(key));
}

TEST_F(GatewayOptionsTest, KeyFileIsMadeOnceAndMustBePrivate) {
  const auto first = load(kEverything);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(created_keys_);
  created_keys_ = false;
  const auto second = load(kEverything);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_FALSE(created_keys_);
  EXPECT_EQ(first->gateway.key_file_text, second->gateway.key_file_text);
  std::filesystem::permissions(
      directory_ / "keys/master.key",
      std::filesystem::perms::owner_read | std::filesystem::perms::group_read);
  const auto third = load(kEverything);
  ASSERT_FALSE(third);
  EXPECT_THAT(third.error().message, HasSubstr("chmod 600"));
}

}  // namespace
}  // namespace hydra
