#include "tests/corruption/damaged_grid.h"

#include "base/crc32c.h"
#include "base/kv/memory_store.h"
#include "base/runtime/text_body.h"

namespace hydra::corruption {

namespace {

constexpr std::size_t kNodes = 6;

std::string noise(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  sim::Prng prng(seed);
  prng.fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

void must(const Status& status) {
  EXPECT_TRUE(status) << status.error().to_string();
  HYDRA_ASSERT(status.has_value());
}

}  // namespace

DamagedGrid::DamagedGrid()
    : simulation_(2026),
      process_(simulation_.add_process("machine")),
      grid_(process_, kNodes),
      keys_(*object::KeyRing::parse(object::KeyRing::generate(object::DataKey{std::byte{7}}))) {
  process_.add_loop();
  catalog_ = *catalog::Catalog::open(process_.loop(),
                                     kv::open_memory(std::make_shared<kv::MemoryImage>(), {}));
  placement::ClusterMap map;
  for (NodeId id = 1; id <= kNodes; ++id)
    EXPECT_TRUE(map.put(
        {id, "n" + std::to_string(id), "z" + std::to_string(id % 3), 1u << 30, 1.0, false}));
  board_.publish(std::make_shared<const object::PlacementView>(
      object::PlacementView{map, placement::Ring(1, map, {})}));
  object::StoreOptions options;
  store_ = std::make_unique<object::ObjectStore>(process_.loop(), grid_, *catalog_, board_, keys_,
                                                 options, &notices_);
  run([this](Loop& loop) -> Task<void> {
    for (NodeId node = 1; node <= kNodes; ++node) {
      must(co_await grid_.open(node));
      catalog::NodeRow row;
      row.identity.bytes[0] = static_cast<std::byte>(node);
      row.name = "n" + std::to_string(node);
      row.zone = "z" + std::to_string(node % 3);
      row.capacity_bytes = 1u << 30;
      const auto registered = co_await catalog_->register_node(loop, std::move(row));
      HYDRA_ASSERT(registered.has_value() && registered->id == node);
    }
    catalog::Bucket bucket;
    bucket.name = "bucket";
    bucket.owner.id = "me";
    bucket_ = (co_await catalog_->create_bucket(loop, std::move(bucket)))->id;
  });
  put("before", 30'000);
  objects_.push_back(put("small", 5'000));
  objects_.push_back(put("medium", 20'000));
  objects_.push_back(put("large", 1'500'000));
  // What lies behind proves that all of them had been synced.
  put("behind", 40'000);
  put("behind all", 50'000);
  for (NodeId node = 1; node <= kNodes; ++node) pristine_[node] = grid_.save(node);
}

DamagedGrid::~DamagedGrid() {
  store_.reset();
  catalog_.reset();
}

Object DamagedGrid::put(std::string key, std::size_t size) {
  Object object{key, noise(size, size), {}, {}, {}};
  run([&](Loop&) -> Task<void> {
    TextSource source(object.bytes);
    auto body = co_await store_->receive(source, size);
    HYDRA_ASSERT(body.has_value() && body->data.extents.size() == 1);
    object.extent = body->data.extents.front();
    catalog::Version version;
    version.key = key;
    version.etag = "etag";
    version.bytes = size;
    const auto made =
        co_await store_->commit_object(bucket_, std::move(version), std::move(*body), {});
    HYDRA_ASSERT(made.has_value());
  });
  HYDRA_ASSERT(object.extent.missing == 0);
  for (std::size_t i = 0; i < object.shards(); ++i) {
    const Record record = grid_.find(object.extent.nodes[i], object.shard(i));
    object.images.push_back(
        grid_.bytes_at(record.path, record.header.offset, record.header.record_bytes));
    object.records.push_back(record);
  }
  return object;
}

Answer DamagedGrid::read(const Object& object, std::uint64_t offset, std::uint64_t length) {
  length = std::min<std::uint64_t>(length, object.bytes.size() - offset);
  TextSink sink;
  const Status sent = run([&](Loop&) -> Task<Status> {
    auto found = catalog_->object_and_plan(bucket_, object.key, [&](const catalog::Version&) {
      return std::optional(std::pair(offset, length));
    });
    HYDRA_ASSERT(found.has_value());
    co_return co_await store_->send(found->second, sink);
  });
  // Also what was sent before an error must have been right.
  if (std::string_view(object.bytes).substr(offset, sink.text.size()) != sink.text)
    return Answer::kWrong;
  if (!sent) return Answer::kError;
  return sink.text.size() == length ? Answer::kRight : Answer::kWrong;
}

bool DamagedGrid::whole(const Object& object, std::size_t index) {
  return run([&](Loop&) {
           return grid_.store(object.extent.nodes[index]).verify(object.shard(index));
         })
      .has_value();
}

void DamagedGrid::write_shard(const Object& object, std::size_t index, const std::string& content) {
  const erasure::Layout layout = object.records[index].header.layout;
  must(run([&](Loop&) -> Task<Status> {
    const auto writer = grid_.write(object.extent.nodes[index], object.shard(index), layout);
    for (std::uint32_t i = 0; i < layout.stripes(); ++i) {
      const ByteView block =
          as_bytes(content).subspan(layout.block_shard_offset(i), layout.block_size(i));
      HYDRA_CO_CHECK_OK(co_await writer->append(block, crc32c(block), i + 1 == layout.stripes(),
                                                Deadline::never()));
    }
    co_return Status();
  }));
}

void DamagedGrid::restart_from_logs(const std::vector<NodeId>& nodes,
                                    const std::function<void()>& harm) {
  run([&](Loop&) -> Task<void> {
    for (const NodeId node : nodes) must(co_await grid_.close(node));
    harm();
    for (const NodeId node : nodes) {
      grid_.lose_index(node);
      must(co_await grid_.open(node));
    }
  });
}

void DamagedGrid::restore(const std::vector<NodeId>& nodes) {
  restart_from_logs(nodes, [&] {
    for (const NodeId node : nodes) grid_.put_back(node, pristine_.at(node));
  });
}

}  // namespace hydra::corruption
