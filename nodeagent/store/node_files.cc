#include "nodeagent/store/node_files.h"

#include <fmt/format.h>

#include <array>

#include "base/crc32c.h"
#include "base/endian.h"

namespace hydra::agent {
namespace {

// magic "HNID" or "HCLU", version u32, 16 bytes of id, four zeros, CRC32C of the 28 bytes before
// it.
constexpr std::uint32_t kIdentityMagic = 0x44494e48;
constexpr std::uint32_t kClusterMagic = 0x554c4348;
constexpr std::size_t kNodeFileBytes = 32;
constexpr std::size_t kIdAt = 8;
constexpr std::size_t kCrcAt = 28;
static_assert(kCrcAt + 4 == kNodeFileBytes && kIdAt + 16 <= kCrcAt);

using NodeFileBytes = std::array<std::byte, kNodeFileBytes>;
using RawId = std::array<std::byte, 16>;

NodeFileBytes encode(std::uint32_t magic, const RawId& id) {
  NodeFileBytes out{};
  store_le<std::uint32_t>(out.data(), magic);
  store_le<std::uint32_t>(out.data() + 4, kNodeFileVersion);
  std::memcpy(out.data() + kIdAt, id.data(), id.size());
  store_le<std::uint32_t>(out.data() + kCrcAt, crc32c(ByteView(out).first(kCrcAt)));
  return out;
}

Result<RawId> decode(std::uint32_t magic, ByteView bytes) {
  if (bytes.size() < kNodeFileBytes || load_le<std::uint32_t>(bytes.data()) != magic ||
      load_le<std::uint32_t>(bytes.data() + kCrcAt) != crc32c(bytes.first(kCrcAt)))
    return fail(Code::kCorrupt, "not a valid node file");
  if (load_le<std::uint32_t>(bytes.data() + 4) != kNodeFileVersion)
    return fail(Code::kUnsupported, "a node file of an unknown version");
  RawId id;
  std::memcpy(id.data(), bytes.data() + kIdAt, id.size());
  return id;
}

Task<Result<std::optional<RawId>>> load(Disk& disk, std::string path, std::uint32_t magic) {
  auto file = co_await disk.open(path, OpenMode::kRead);
  if (!file && file.error().code == Code::kNotFound) co_return std::optional<RawId>();
  if (!file) co_return fail(std::move(file).error());
  NodeFileBytes bytes{};
  HYDRA_CO_TRY(const std::size_t got, co_await (*file)->read(bytes, 0));
  auto id = decode(magic, ByteView(bytes).first(got));
  if (!id) co_return fail(id.error().code, path + ": " + id.error().message);
  co_return std::optional<RawId>(*id);
}

Task<Status> save(Disk& disk, std::string directory, std::string name, NodeFileBytes bytes) {
  const std::string path = directory + "/" + name;
  const std::string temporary = path + ".new";
  auto file = co_await disk.open(temporary, OpenMode::kCreateNew);
  if (!file && file.error().code == Code::kAlreadyExists) {
    HYDRA_CO_CHECK_OK(co_await disk.remove(temporary));  // left by a crash
    file = co_await disk.open(temporary, OpenMode::kCreateNew);
  }
  if (!file) co_return fail(std::move(file).error());
  const ByteView piece(bytes);
  HYDRA_CO_CHECK_OK(co_await (*file)->write({&piece, 1}, 0));
  HYDRA_CO_CHECK_OK(co_await (*file)->sync());
  HYDRA_CO_CHECK_OK(co_await disk.rename(temporary, path));
  co_return co_await disk.sync_directory(directory);
}

}  // namespace

Task<Result<NodeIdentity>> load_identity(Loop& loop, std::string directory) {
  Disk& disk = loop.disk();
  HYDRA_CO_TRY(const auto found, co_await load(disk, directory + "/identity", kIdentityMagic));
  if (found) co_return NodeIdentity::from(*found);
  // Without its identity a directory that has logs is damaged, not new.
  HYDRA_CO_TRY(const auto logs, co_await disk.list(directory + "/logs"));
  if (!logs.empty()) co_return fail(Code::kCorrupt, directory + " has logs but no identity");
  NodeIdentity identity;
  loop.random(identity.bytes);
  HYDRA_CO_CHECK_OK(
      co_await save(disk, directory, "identity", encode(kIdentityMagic, identity.bytes)));
  co_return identity;
}

Task<Result<std::optional<ClusterId>>> load_cluster(Disk& disk, std::string directory) {
  HYDRA_CO_TRY(const auto found, co_await load(disk, directory + "/cluster", kClusterMagic));
  if (!found) co_return std::optional<ClusterId>();
  co_return std::optional<ClusterId>(ClusterId::from(*found));
}

Task<Status> save_cluster(Disk& disk, std::string directory, ClusterId cluster) {
  return save(disk, std::move(directory), "cluster", encode(kClusterMagic, cluster.bytes));
}

}  // namespace hydra::agent
