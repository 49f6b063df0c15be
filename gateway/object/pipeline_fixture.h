// The pipeline of one worker over nodes in memory. For tests.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "base/kv/memory_store.h"
#include "base/runtime/text_body.h"
#include "gateway/object/memory_grid_fixture.h"
#include "gateway/object/object_store.h"

namespace hydra::object {

constexpr NodeId kNodes = 6;  // those that hold shards

inline std::string noise(std::size_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// Answers every commit as the test says.
class AnsweringJournal final : public catalog::JournalSink {
 public:
  Status answer;

  Status admit_clients() override { return {}; }
  Status stage(const catalog::Change::Batch&, kv::Transaction&) override { return {}; }
  void staged(bool) override {}
  void when_safe(std::function<void(const Status&)> then) override { then(answer); }
};

// Six nodes in memory and behind them cache nodes, a catalog in memory, one worker.
class World {
 public:
  explicit World(Loop& loop, NodeId caches = 0)
      : loop_(loop),
        caches_(caches),
        grid(loop, kNodes + caches),
        catalog_(*catalog::Catalog::open(
            loop, kv::open_memory(std::make_shared<kv::MemoryImage>(), {}), journal)),
        keys_(*KeyRing::parse(KeyRing::generate(DataKey{std::byte{7}}))),
        store(loop, grid, *catalog_, board_, keys_, {}, &notices) {
    placement::ClusterMap map;
    for (NodeId id = 1; id <= kNodes; ++id)
      EXPECT_TRUE(map.put(
          {id, "n" + std::to_string(id), "z" + std::to_string(id % 3), 1u << 30, 1.0, false}));
    board_.publish(
        std::make_shared<const PlacementView>(PlacementView{map, placement::Ring(1, map, {})}));
  }
  // The catalog knows the nodes only after this.
  Task<Status> register_nodes() {
    for (NodeId id = 1; id <= kNodes + caches_; ++id) {
      catalog::NodeRow row;
      row.identity.bytes.fill(static_cast<std::byte>(id));
      row.name = "n" + std::to_string(id);
      row.capacity_bytes = 1u << 30;
      row.role = id <= kNodes ? agent::NodeRole::kStorage : agent::NodeRole::kCache;
      HYDRA_CO_TRY(const auto known, co_await catalog_->register_node(loop_, std::move(row)));
      if (known.id != id) co_return fail(Code::kInternal, "nodes are numbered otherwise");
    }
    co_return Status();
  }
  Task<Status> make_bucket() {
    catalog::Bucket bucket;
    bucket.name = "bucket";
    bucket.owner.id = "me";
    auto made = co_await catalog_->create_bucket(loop_, std::move(bucket));
    if (!made) co_return fail(made.error());
    bucket_ = made->id;
    co_return Status();
  }
  Task<Status> put(std::string key, std::string text) {
    TextSource source(text);
    auto body = co_await store.receive(source, text.size());
    if (!body) co_return fail(body.error());
    catalog::Version version;
    version.key = std::move(key);
    version.etag = "etag";
    version.bytes = text.size();
    HYDRA_CO_CHECK_OK(
        co_await store.commit_object(bucket_, std::move(version), std::move(*body), {}));
    co_return Status();
  }
  Task<Result<std::string>> get(std::string key, std::uint64_t offset, std::uint64_t length) {
    auto found = catalog_->object_and_plan(bucket_, key, [&](const catalog::Version&) {
      return std::optional(std::pair(offset, length));
    });
    if (!found) co_return fail(found.error());
    TextSink sink;
    HYDRA_CO_CHECK_OK(co_await store.send(found->second, sink));
    co_return sink.text;
  }
  catalog::Catalog& catalog() { return *catalog_; }
  catalog::BucketId bucket() const { return bucket_; }

 private:
  Loop& loop_;
  NodeId caches_;

 public:
  MemoryGrid grid;
  std::shared_ptr<AnsweringJournal> journal = std::make_shared<AnsweringJournal>();

 private:
  std::unique_ptr<catalog::Catalog> catalog_;
  PlacementBoard board_;
  KeyRing keys_;
  catalog::BucketId bucket_ = 0;

 public:
  heal::Notices notices;
  ObjectStore store;
};

}  // namespace hydra::object
