#include "gateway/options.h"

#include <sys/random.h>
#include <unistd.h>

#include <thread>

#include "base/encoding.h"
#include "gateway/object/keyring.h"
#include "gateway/object/private_file.h"

namespace hydra {

namespace {

// A node may be away for a reboot, or for a walk to the shop.
constexpr Nanos kShortestEviction = 3600 * kSecond;

Result<std::string> read_or_create_keys(const std::string& path, bool& created, KeyFile mode) {
  if (::access(path.c_str(), F_OK) == 0) return object::read_private_file(path);
  if (mode == KeyFile::kMustExist)
    return fail(Code::kInvalidArgument,
                path + ": there is no key file; bring the copy that was kept of it");
  object::DataKey key;
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size()))
    return fail(Code::kIo, "no random numbers from the system");
  const std::string text = object::KeyRing::generate(key);
  secure_clear(key);
  HYDRA_CHECK_OK(object::write_private_file(path, text));
  created = true;
  return text;
}

Result<std::shared_ptr<const s3::CredentialStore>> read_credentials(
    const std::string& file, std::vector<s3::Credential> users) {
  HYDRA_TRY(const std::string text, object::read_file(file));
  auto credentials = s3::parse_shared_credentials(text);
  if (!credentials) return fail(Code::kInvalidArgument, file + ": " + credentials.error().message);
  for (auto& user : users) credentials->push_back(std::move(user));
  return s3::CredentialStore::create(std::move(*credentials));
}

std::vector<s3::Credential> read_users(config::Reader& reader) {
  std::vector<s3::Credential> users;
  for (auto& item : reader.list("s3.users")) {
    s3::Credential user;
    item.require("id");
    item.require("access_key");
    item.require("secret_key");
    user.owner.user_id = item.text("id", "");
    user.owner.display_name = item.text("display_name", user.owner.user_id);
    user.owner.root = item.flag("root", false);
    user.access_key = item.text("access_key", "");
    user.secret_key = item.text("secret_key", "");
    user.owner.access_key = user.access_key;
    users.push_back(std::move(user));
  }
  return users;
}

void read_heal(config::Reader& reader, heal::HealOptions& heal) {
  heal.watch.delay = reader.duration("heal.delay", heal.watch.delay, 0);
  heal.pace.floor = reader.size("heal.floor", heal.pace.floor, 64u << 10);
  heal.pace.ceiling = reader.size("heal.ceiling", heal.pace.ceiling, 64u << 10);
  if (heal.pace.floor > heal.pace.ceiling)
    reader.mistake("heal.floor", "must not be above heal.ceiling");
  heal.rebalance = reader.choice("heal.rebalance", "auto", {"auto", "manual"}) == "auto";
  heal.survey_every = reader.duration("heal.survey_every", heal.survey_every, kSecond);
}

void read_walks(config::Reader& reader, GatewayOptions& gateway) {
  heal::ScrubOptions& scrub = gateway.scrub;
  scrub.period_ms =
      reader.duration("heal.scrub_period", scrub.period_ms * kMillisecond, 0) / kMillisecond;
  scrub.floor = reader.size("heal.scrub_bandwidth.floor", scrub.floor, 1);
  scrub.ceiling = reader.size("heal.scrub_bandwidth.ceiling", scrub.ceiling, 1);
  if (scrub.floor > scrub.ceiling)
    reader.mistake("heal.scrub_bandwidth", "the floor is above the ceiling");
  heal::InventoryOptions& inventory = gateway.inventory;
  inventory.period = reader.duration("heal.inventory_period", inventory.period, 60 * kSecond);
  // Less than a write may take would cost acknowledged data where two gateways share a catalog.
  inventory.orphan_grace_ms =
      reader.duration("heal.orphan_grace", inventory.orphan_grace_ms * kMillisecond,
                      3600 * kSecond) /
      kMillisecond;
  inventory.stray_grace_ms = gateway.healing.sweep.grace_ms;
}

}  // namespace

Result<ProcessOptions> load_options(const std::string& path, bool& created_keys, KeyFile key_file) {
  auto reader = config::Reader::from_file(path, config::process_environment());
  for (const char* name : {"HYDRA_ADMIN", "HYDRA_IO_URING"}) reader.allow_variable(name);
  ProcessOptions options;
  GatewayOptions& gateway = options.gateway;
  options.workers = static_cast<std::uint32_t>(
      reader.integer("gateway.workers", std::max(1u, std::thread::hardware_concurrency()), 1, 64));
  options.serve.address = {reader.address("s3.listen", "127.0.0.1:9000")};
  const std::string certificate = reader.path("s3.tls.certificate", "");
  const std::string key = reader.path("s3.tls.key", "");
  if (certificate.empty() != key.empty())
    reader.mistake("s3.tls", "certificate and key must be given together");
  if (!certificate.empty()) options.serve.tls = TlsConfig{certificate, key};
  gateway.service.region = reader.text("s3.region", "us-east-1");
  gateway.service.domains = reader.texts("s3.domain", {});
  std::erase(gateway.service.domains, "");
  std::vector<s3::Credential> users = read_users(reader);
  gateway.max_connections =
      static_cast<std::size_t>(reader.integer("s3.max_connections", 4096, 1, 1'000'000));
  gateway.limits.head_timeout =
      reader.duration("s3.head_timeout", gateway.limits.head_timeout, kMillisecond);
  gateway.limits.idle_timeout =
      reader.duration("s3.idle_timeout", gateway.limits.idle_timeout, kMillisecond);
  gateway.limits.body_timeout =
      reader.duration("s3.body_timeout", gateway.limits.body_timeout, kMillisecond);
  for (const auto& address : reader.addresses("grid.listen", {"127.0.0.1:9100"}))
    gateway.grid_addresses.push_back({address});
  gateway.advertised = reader.addresses("grid.advertise", {});
  if (gateway.advertised.size() > agent::kMaxGateways)
    reader.mistake("grid.advertise", "at most 64 addresses");
  gateway.membership.evict_after = reader.duration("grid.evict_after", 0, 0);
  if (gateway.membership.evict_after > 0 && gateway.membership.evict_after < kShortestEviction)
    reader.mistake("grid.evict_after", "0, or at least 1h");
  reader.require("catalog.directory");
  gateway.catalog_directory = reader.path("catalog.directory", "");
  gateway.catalog.map_bytes = reader.size("catalog.map_size", gateway.catalog.map_bytes, 1u << 20);
  reader.require("keys.file");
  options.key_file = reader.path("keys.file", "");
  reader.require("credentials.file");
  const std::string credentials_file = reader.path("credentials.file", "");
  const std::string profile = reader.text("storage.profile", "4+2");
  if (auto parsed = erasure::Profile::parse(profile))
    gateway.store.profile = *parsed;
  else
    reader.mistake("storage.profile", parsed.error().message);
  gateway.store.budget_bytes =
      reader.size("storage.memory", 192u << 20, 16u << 20) / options.workers;
  gateway.store.small_bytes =
      reader.size("storage.replicate_up_to", gateway.store.small_bytes, 0, 1u << 20);
  heal::SweepOptions& sweep = gateway.healing.sweep;
  sweep.grace_ms = reader.duration("storage.grace", 3600 * kSecond, 0) / kMillisecond;
  sweep.upload_expiry_ms =
      reader.duration("storage.upload_expiry", sweep.upload_expiry_ms * kMillisecond, 0) /
      kMillisecond;
  read_heal(reader, gateway.healing);
  read_walks(reader, gateway);
  gateway.admin_address.text = reader.address("admin.listen", "");
  if (!gateway.admin_address.text.empty() && !gateway.admin_address.is_unix())
    reader.mistake("admin.listen", "want unix:/path: whoever reaches it is not asked who he is");
  gateway.public_metrics = reader.flag("metrics.public", false);
  options.log.file = reader.path("log.file", "");
  const std::string level =
      reader.choice("log.level", "info", {"debug", "info", "warning", "error", "off"});
  options.log.level = log::parse_level(level).value_or(log::Level::kInfo);
  HYDRA_CHECK_OK(reader.finish());

  HYDRA_TRY(gateway.credentials, read_credentials(credentials_file, std::move(users)));
  HYDRA_TRY(gateway.key_file_text, read_or_create_keys(options.key_file, created_keys, key_file));
  return options;
}

}  // namespace hydra
