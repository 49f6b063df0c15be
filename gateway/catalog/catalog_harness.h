// A catalog on a simulated loop over any backend, with plain blocking calls. For tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "base/kv/store_backends.h"
#include "base/runtime/sim/run_sim.h"
#include "gateway/catalog/catalog.h"
#include "gateway/catalog/catalog_audit.h"

namespace hydra::catalog {

// Lets the harness look at the rows of a store that the catalog owns.
class SharedStore final : public kv::Store {
 public:
  explicit SharedStore(std::shared_ptr<kv::Store> store) : store_(std::move(store)) {}
  Result<std::unique_ptr<kv::Snapshot>> snapshot() override { return store_->snapshot(); }
  Result<std::unique_ptr<kv::Transaction>> begin() override { return store_->begin(); }
  Status sync() override { return store_->sync(); }

 private:
  std::shared_ptr<kv::Store> store_;
};

class CatalogHarness {
 public:
  explicit CatalogHarness(std::unique_ptr<kv::Place> place, std::uint64_t seed = 1)
      : simulation_(seed), process_(simulation_.add_process("gateway")), place_(std::move(place)) {
    process_.add_loop();
    reopen();
  }

  void reopen() {
    catalog_.reset();
    store_.reset();
    store_ = place_->open(kv::Options{.map_bytes = 256u << 20, .durable = false});
    auto opened = Catalog::open(loop(), std::make_unique<SharedStore>(store_));
    EXPECT_TRUE(opened) << opened.error().to_string();
    catalog_ = std::move(*opened);
  }

  Catalog& operator*() { return *catalog_; }
  Catalog* operator->() { return catalog_.get(); }
  Loop& loop() { return process_.loop(); }
  kv::Store& store() { return *store_; }

  // Runs a write to its end: wait([&](Loop& loop) { return catalog->put_ring(loop, 1, "ring"); }).
  template <typename Make>
  auto wait(Make make) {
    return sim::run_in(process_, make);
  }
  // Runs several at the same time; their results in order.
  template <typename T>
  std::vector<T> wait_all(std::vector<Task<T>> tasks) {
    std::vector<std::optional<T>> results(tasks.size());
    wait([&](Loop& loop) { return run_all(loop, tasks, results); });
    std::vector<T> out;
    for (auto& result : results) out.push_back(std::move(*result));
    return out;
  }

  void expect_sound() {
    auto snapshot = store_->snapshot();
    ASSERT_TRUE(snapshot);
    EXPECT_EQ(audit(**snapshot), std::vector<std::string>());
  }
  // Every row of the store, to compare two moments.
  std::map<std::string, std::string> rows() {
    std::map<std::string, std::string> out;
    auto snapshot = store_->snapshot();
    const auto cursor = (*snapshot)->cursor();
    auto more = cursor->seek(as_bytes(std::string_view("\0", 1)));
    while (more && *more) {
      out.emplace(as_text(cursor->key()), as_text(cursor->value()));
      more = cursor->next();
    }
    return out;
  }

  template <typename AnyId>
  AnyId new_id() {
    AnyId id;
    store_be(id.bytes.data(), ++last_id_);
    return id;
  }

  // An extent of 2+1 on nodes 1, 2 and 3.
  Extent new_extent(std::uint32_t length) {
    const auto id = new_id<ExtentId>();
    return {.id = id,
            .stored_as = id,
            .profile = {2, 1},
            .wanted = {2, 1},
            .length = length,
            .nodes = {1, 2, 3}};
  }
  // A body of its own extents, of at most `extent_bytes` each, with its slice.
  struct Sealed {
    NewData data;
    Slice slice;
  };
  Sealed seal(std::uint64_t plain_bytes, std::uint32_t extent_bytes = 64u << 20) {
    Sealed sealed;
    Body body{.id = new_id<BodyId>(), .plain_bytes = plain_bytes};
    const std::uint64_t segments = (plain_bytes + kSegmentBytes - 1) / kSegmentBytes;
    std::uint64_t left = plain_bytes + segments * (kSealedSegmentBytes - kSegmentBytes);
    while (left > 0) {
      const auto length = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, extent_bytes));
      sealed.data.extents.push_back(new_extent(length));
      body.pieces.push_back({sealed.data.extents.back().id, 0, length});
      left -= length;
    }
    sealed.slice = {.body = body.id, .offset = 0, .length = plain_bytes};
    sealed.data.bodies.push_back(std::move(body));
    return sealed;
  }
  Version new_version(std::string key, std::vector<Slice> slices = {}) {
    Version version{.key = std::move(key)};
    version.etag = "etag-" + std::to_string(++last_id_);
    version.modified_ms = loop().wall_ms();
    version.owner = {"owner", "Owner"};
    version.slices = std::move(slices);
    for (const Slice& slice : version.slices) version.bytes += slice.length;
    return version;
  }

  Bucket make_bucket(std::string name, std::string owner = "owner") {
    auto bucket = wait([&](Loop& loop) {
      return catalog_->create_bucket(loop, {.name = name, .owner = {owner, ""}});
    });
    EXPECT_TRUE(bucket) << bucket.error().to_string();
    return *bucket;
  }
  // Puts an object of new data; returns its version.
  Version put(BucketId bucket, std::string key, std::uint64_t bytes = 100,
              Preconditions preconditions = {}) {
    Version version;
    const Status status = try_put(bucket, std::move(key), bytes, preconditions, &version);
    EXPECT_TRUE(status) << status.error().to_string();
    return version;
  }
  Status try_put(BucketId bucket, std::string key, std::uint64_t bytes = 100,
                 Preconditions preconditions = {}, Version* put = nullptr) {
    Sealed sealed = bytes > 0 ? seal(bytes) : Sealed();
    std::vector<Slice> slices;
    if (bytes > 0) slices.push_back(sealed.slice);
    const Version version = new_version(std::move(key), slices);
    if (put != nullptr) *put = version;
    return put_version(bucket, version, sealed.data, preconditions);
  }
  Status put_version(BucketId bucket, Version version, NewData data = {},
                     Preconditions preconditions = {}) {
    const auto id = wait([&](Loop& loop) {
      return catalog_->put_object(loop, bucket, version, data, preconditions);
    });
    if (!id) return fail(id.error());
    return {};
  }
  Result<DeleteResult> erase(BucketId bucket, std::string key, Preconditions preconditions = {},
                             std::optional<std::string> version_id = {}) {
    return wait([&](Loop& loop) {
      return catalog_->delete_object(loop, bucket, {key, preconditions, version_id},
                                     loop.wall_ms());
    });
  }
  Catalog::Totals totals() { return *catalog_->totals(); }

 private:
  template <typename T>
  static Task<void> run_one(Task<T> task, std::optional<T>& result) {
    result.emplace(co_await task);
  }
  template <typename T>
  static Task<void> run_all(Loop& loop, std::vector<Task<T>>& tasks,
                            std::vector<std::optional<T>>& results) {
    TaskGroup group(loop);
    for (std::size_t i = 0; i < tasks.size(); ++i)
      group.spawn(run_one(std::move(tasks[i]), results[i]));
    co_await group.join();
  }

  sim::Simulation simulation_;
  sim::Process& process_;
  std::unique_ptr<kv::Place> place_;
  std::shared_ptr<kv::Store> store_;
  std::unique_ptr<Catalog> catalog_;  // before the simulation goes, the catalog does
  std::uint64_t last_id_ = 0;
};

// A test that runs over every backend.
class CatalogTest : public testing::TestWithParam<kv::Backend> {
 protected:
  CatalogTest() : catalog_(GetParam().make()) {}
  CatalogHarness catalog_;
};

template <typename T>
Code code_of(const Result<T>& result) {
  return result ? Code{} : result.error().code;
}

}  // namespace hydra::catalog
