#include "nodeagent/store/node_files.h"

#include <fmt/format.h>

#include <array>

#include "base/crc32c.h"
#include "base/endian.h"

namespace hydra::agent {
namespace {

// magic, version u32, the value (an id of 16 bytes, or a secret of 32), four zeros, CRC32C of all
// before it.
constexpr std::uint32_t kIdentityMagic = 0x44494e48;  // "HNID"
constexpr std::uint32_t kClusterMagic = 0x554c4348;   // "HCLU"
constexpr std::uint32_t kSecretMagic = 0x43534e48;    // "HNSC"
constexpr std::size_t kValueAt = 8;
constexpr std::size_t kMaxValueBytes = 32;
constexpr std::size_t file_bytes(std::size_t value_bytes) { return kValueAt + value_bytes + 8; }
static_assert(file_bytes(16) == 32 && file_bytes(kMaxValueBytes) == 48);

using RawId = std::array<std::byte, 16>;

std::string encode(std::uint32_t magic, ByteView value) {
  std::string out(file_bytes(value.size()), '\0');
  store_le<std::uint32_t>(out.data(), magic);
  store_le<std::uint32_t>(out.data() + 4, kNodeFileVersion);
  std::memcpy(out.data() + kValueAt, value.data(), value.size());
  const std::size_t crc_at = out.size() - 4;
  store_le<std::uint32_t>(out.data() + crc_at, crc32c(as_bytes(out).first(crc_at)));
  return out;
}

Status decode(std::uint32_t magic, ByteView bytes, MutableBytes value) {
  const std::size_t crc_at = file_bytes(value.size()) - 4;
  if (bytes.size() != crc_at + 4 || load_le<std::uint32_t>(bytes.data()) != magic ||
      load_le<std::uint32_t>(bytes.data() + crc_at) != crc32c(bytes.first(crc_at)))
    return fail(Code::kCorrupt, "not a valid node file");
  if (load_le<std::uint32_t>(bytes.data() + 4) != kNodeFileVersion)
    return fail(Code::kUnsupported, "a node file of an unknown version");
  std::memcpy(value.data(), bytes.data() + kValueAt, value.size());
  return {};
}

template <typename Value>
Task<Result<std::optional<Value>>> load(Disk& disk, std::string path, std::uint32_t magic) {
  auto file = co_await disk.open(path, OpenMode::kRead);
  if (!file && file.error().code == Code::kNotFound) co_return std::optional<Value>();
  if (!file) co_return fail(std::move(file).error());
  std::array<std::byte, file_bytes(kMaxValueBytes) + 1> bytes{};
  HYDRA_CO_TRY(const std::size_t got, co_await (*file)->read(bytes, 0));
  Value value{};
  const Status status = decode(magic, ByteView(bytes).first(got), value);
  secure_clear(bytes);
  if (!status) co_return fail(status.error().code, path + ": " + status.error().message);
  co_return std::optional<Value>(value);
}

}  // namespace

Task<Status> save_file(Disk& disk, std::string directory, std::string name, std::string bytes) {
  const std::string path = directory + "/" + name;
  const std::string temporary = path + ".new";
  auto file = co_await disk.open(temporary, OpenMode::kCreateNew);
  if (!file && file.error().code == Code::kAlreadyExists) {
    HYDRA_CO_CHECK_OK(co_await disk.remove(temporary));  // left by a crash
    file = co_await disk.open(temporary, OpenMode::kCreateNew);
  }
  if (!file) co_return fail(std::move(file).error());
  const ByteView piece = as_bytes(bytes);
  HYDRA_CO_CHECK_OK(co_await (*file)->write({&piece, 1}, 0));
  HYDRA_CO_CHECK_OK(co_await (*file)->sync());
  HYDRA_CO_CHECK_OK(co_await disk.rename(temporary, path));
  co_return co_await disk.sync_directory(directory);
}

Task<Result<std::optional<NodeIdentity>>> find_identity(Disk& disk, std::string directory) {
  HYDRA_CO_TRY(const auto found,
               co_await load<RawId>(disk, directory + "/identity", kIdentityMagic));
  if (!found) co_return std::optional<NodeIdentity>();
  co_return std::optional<NodeIdentity>(NodeIdentity{*found});
}

Task<Result<NodeIdentity>> load_identity(Loop& loop, std::string directory) {
  Disk& disk = loop.disk();
  HYDRA_CO_TRY(const auto found, co_await find_identity(disk, directory));
  if (found) co_return *found;
  // Without its identity a directory that has logs is damaged, not new.
  HYDRA_CO_TRY(const auto logs, co_await disk.list(directory + "/logs"));
  if (!logs.empty()) co_return fail(Code::kCorrupt, directory + " has logs but no identity");
  NodeIdentity identity;
  loop.random(identity.bytes);
  HYDRA_CO_CHECK_OK(
      co_await save_file(disk, directory, "identity", encode(kIdentityMagic, identity.bytes)));
  co_return identity;
}

Task<Result<std::optional<ClusterId>>> load_cluster(Disk& disk, std::string directory) {
  HYDRA_CO_TRY(const auto found, co_await load<RawId>(disk, directory + "/cluster", kClusterMagic));
  if (!found) co_return std::optional<ClusterId>();
  co_return std::optional<ClusterId>(ClusterId{*found});
}

Task<Status> save_cluster(Disk& disk, std::string directory, ClusterId cluster) {
  return save_file(disk, std::move(directory), "cluster", encode(kClusterMagic, cluster.bytes));
}

Task<Result<std::optional<SecretFile>>> load_secret(Disk& disk, std::string directory) {
  return load<SecretFile>(disk, std::move(directory) + "/secret", kSecretMagic);
}

Task<Status> save_secret(Disk& disk, std::string directory, SecretFile secret) {
  return save_file(disk, std::move(directory), "secret", encode(kSecretMagic, secret));
}

}  // namespace hydra::agent
