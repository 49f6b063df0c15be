#include "tests/corruption/disk_grid.h"

#include "base/assert.h"
#include "base/crc32c.h"

namespace hydra::corruption {

DiskGrid::DiskGrid(sim::Process& process, std::size_t count) : process_(process) {
  for (NodeId node = 1; node <= count; ++node) stores_[node] = nullptr;
}
DiskGrid::~DiskGrid() = default;

Task<Status> DiskGrid::close(NodeId node) {
  Status closed = co_await stores_.at(node)->close();
  stores_.at(node).reset();
  co_return closed;
}

Task<Status> DiskGrid::open(NodeId node) {
  agent::StoreOptions options;
  options.directory = directory(node);
  options.log_bytes = 1u << 20;
  options.reserve_bytes = 1u << 20;
  options.checkpoint_interval = 3600 * kSecond;  // nothing but what the tests do
  HYDRA_CO_TRY(stores_.at(node),
               co_await agent::ShardStore::open(process_.loop(), std::move(options)));
  co_return Status();
}

std::vector<agent::NodeView> DiskGrid::nodes() const {
  std::vector<agent::NodeView> views;
  for (const auto& [id, store] : stores_) {
    agent::NodeView view;
    view.id = id;
    view.state = agent::NodeState::kHealthy;
    view.load.capacity_bytes = view.load.free_bytes = 1u << 30;
    views.push_back(std::move(view));
  }
  return views;
}

Record DiskGrid::find(NodeId node, const ShardId& shard) {
  Record found;
  for (const std::string& path : disk().files(directory(node) + "/logs")) {
    const std::string log = *disk().contents(path);
    for (std::uint64_t at = agent::kFirstRecord; at + agent::kRecordHeaderBytes <= log.size();
         at += agent::kRecordAlignment) {
      const auto header = agent::decode_record_header(as_bytes(log).subspan(at));
      if (header && header->type == agent::RecordType::kShard && header->shard == shard &&
          header->offset == at)
        found = {path, *header};
    }
  }
  HYDRA_ASSERT(!found.path.empty());
  return found;
}

std::string DiskGrid::bytes_at(const std::string& path, std::uint64_t offset,
                               std::uint64_t length) {
  return disk().contents(path)->substr(offset, length);
}

void DiskGrid::flip(const std::string& path, std::uint64_t offset, std::uint8_t mask) {
  std::byte value;
  HYDRA_ASSERT(mask != 0 && disk().peek(path, offset, {&value, 1}));
  value ^= std::byte{mask};
  HYDRA_ASSERT(disk().overwrite(path, offset, {&value, 1}));
}

DiskGrid::Logs DiskGrid::save(NodeId node) {
  Logs logs;
  for (const std::string& path : disk().files(directory(node) + "/logs"))
    logs[path] = *disk().contents(path);
  return logs;
}

void DiskGrid::put_back(NodeId node, const Logs& logs) {
  for (const std::string& path : disk().files(directory(node) + "/logs"))
    if (!logs.contains(path)) disk().erase(path);
  for (const auto& [path, bytes] : logs) disk().put(path, bytes);
}

// As an agent serves it: the shard is begun with its first block, and lives with the last.
class DiskGrid::Writer final : public agent::ShardWriter {
 public:
  Writer(DiskGrid& grid, NodeId node, ShardId shard, erasure::Layout layout)
      : grid_(grid), node_(node), shard_(shard), layout_(layout) {}
  Task<Status> append(ByteView block, std::uint32_t crc, bool last, Deadline) override {
    if (pending_ == nullptr) {
      HYDRA_CO_TRY(pending_, co_await grid_.store(node_).begin(shard_, layout_));
    }
    HYDRA_CO_CHECK_OK(co_await pending_->append(block, crc));
    if (last) co_return co_await pending_->commit();
    co_return Status();
  }

 private:
  DiskGrid& grid_;
  NodeId node_;
  ShardId shard_;
  erasure::Layout layout_;
  std::unique_ptr<agent::PendingShard> pending_;
};

std::unique_ptr<agent::ShardWriter> DiskGrid::write(NodeId node, ShardId shard,
                                                    erasure::Layout layout) {
  return std::make_unique<Writer>(*this, node, shard, layout);
}

// Checks what arrives, as GridClient does.
Task<Result<Buffer>> DiskGrid::read(NodeId node, ShardId shard, std::uint64_t offset,
                                    std::uint64_t length, Deadline) {
  HYDRA_CO_TRY(agent::ShardPieces pieces, co_await store(node).read(shard, offset, length));
  for (const agent::BlockPiece& piece : pieces.pieces)
    if (crc32c(pieces.bytes.view().subspan(piece.offset, piece.length)) != piece.crc32c)
      co_return fail(Code::kCorrupt, "a block fails its checksum");
  co_return std::move(pieces.bytes);
}

Task<Status> DiskGrid::free(NodeId node, std::vector<ShardId> shards, Deadline) {
  for (const ShardId& shard : shards) HYDRA_CO_CHECK_OK(co_await store(node).free(shard));
  co_return Status();
}

Task<Result<agent::ShardInfo>> DiskGrid::info(NodeId node, ShardId shard, Deadline) {
  co_return store(node).info(shard);
}

Task<Status> DiskGrid::verify(NodeId node, ShardId shard, Deadline) {
  return store(node).verify(shard);
}

Task<Result<std::vector<agent::ShardInfo>>> DiskGrid::list(NodeId node,
                                                           std::optional<ShardId> after,
                                                           std::size_t limit, Deadline) {
  co_return store(node).list(after, limit);
}

}  // namespace hydra::corruption
