// A copied range outlives its source: the rest of the source's space comes back on the agents'
// disks, also when the gateway is killed again and again meanwhile. SIM_SEED=n replays a failure.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/runtime/sim/seeds.h"
#include "base/runtime/text_body.h"
#include "gateway/catalog/catalog_audit.h"
#include "gateway/object/slices.h"
#include "tests/simulation/grid_world.h"

namespace hydra::gridsim {
namespace {

constexpr std::uint64_t kWholeBytes = 12u << 20;
constexpr std::uint64_t kLogBytes = 1u << 20;
constexpr const char* kWhole = "whole";
constexpr const char* kSlice = "slice";

class SpaceWorld {
 public:
  SpaceWorld(std::uint64_t seed, std::uint64_t pace)
      : prng_(sim::combine(seed, 0x59ace)), world_(seed, {}, options(pace)) {
    text_.resize(kWholeBytes);
    for (char& c : text_) c = static_cast<char>(prng_.next());
    offset_ = prng_.below(kWholeBytes / 2);
    length_ = prng_.between(1, 600'000);
  }

  GridWorld& world() { return world_; }
  sim::Prng& prng() { return prng_; }
  std::uint64_t length() const { return length_; }

  // Puts the object, copies a range of it as the part of an upload, and deletes it.
  void make_slice() {
    ASSERT_TRUE(world_.run_on_worker(0, [this](Gateway::Worker& worker) {
      return put_whole(this, &worker);
    })) << world_.model.report();
    full_disks_ = disks();
    ASSERT_TRUE(world_.run_on_worker(0, [this](Gateway::Worker& worker) {
      return slice_and_delete(this, &worker);
    })) << world_.model.report();
  }
  void expect_readable() {
    ASSERT_TRUE(world_.run_on_worker(0, [this](Gateway::Worker& worker) {
      return read_slice(this, &worker);
    })) << world_.model.report();
  }
  bool comes_to_rest() {
    return world_.run_until([this] {
      if (world_.gateway() == nullptr) return false;
      const auto totals = world_.gateway()->catalog().totals();
      return totals && totals->trims + totals->half_dead + totals->dead_extents + totals->repairs +
                               totals->moves ==
                           0;
    });
  }
  void expect_sound() {
    const auto store = world_.open_catalog_rows();
    EXPECT_EQ(catalog::audit(**store->snapshot()), std::vector<std::string>());
  }
  // What the agents' disks hold, and what they held when the object was whole.
  std::uint64_t disks() {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < world_.agents(); ++i)
      bytes += world_.agent_process(i).disk().used_bytes();
    return bytes;
  }
  std::uint64_t full_disks() const { return full_disks_; }

 private:
  static WorldOptions options(std::uint64_t pace) {
    WorldOptions options;
    options.workers = 1;
    options.log_bytes = kLogBytes;
    options.extent_bytes = 1u << 20;
    options.healing.pace = {.floor = pace, .ceiling = pace};
    return options;
  }
  static Task<void> put_whole(SpaceWorld* self, Gateway::Worker* worker) {
    TextSource source(self->text_);
    auto body = co_await worker->store.receive(source, kWholeBytes);
    if (!body) co_return self->complain("PUT", body.error());
    catalog::Version version;
    version.key = kWhole;
    version.etag = "etag";
    version.bytes = kWholeBytes;
    const auto put = co_await worker->store.commit_object(self->world_.bucket(), std::move(version),
                                                          std::move(*body), {});
    if (!put) self->complain("PUT", put.error());
  }
  static Task<void> slice_and_delete(SpaceWorld* self, Gateway::Worker* worker) {
    catalog::Catalog& catalog = worker->store.catalog();
    const catalog::BucketId bucket = self->world_.bucket();
    const auto source = catalog.object(bucket, kWhole);
    const catalog::Upload upload{.bucket = bucket, .key = kSlice, .upload_id = "upload"};
    const Status begun = co_await catalog.create_upload(worker->loop, upload);
    if (!begun) co_return self->complain("CreateMultipartUpload", begun.error());
    catalog::Part part;
    part.number = 1;
    part.etag = std::string(32, 'a');
    part.bytes = self->length_;
    part.slices = object::cut(source->slices, self->offset_, self->length_);
    const Status copied = co_await catalog.put_part(worker->loop, upload, part, {});
    if (!copied) co_return self->complain("UploadPartCopy", copied.error());
    const auto done = co_await catalog.complete_upload(worker->loop, bucket, kSlice, "upload",
                                                       {.parts = {{1, part.etag, {}}}});
    if (!done) co_return self->complain("CompleteMultipartUpload", done.error());
    const auto deleted = co_await catalog.delete_object(worker->loop, bucket, {kWhole, {}, {}},
                                                        worker->loop.wall_ms());
    if (!deleted) self->complain("DELETE", deleted.error());
  }
  static Task<void> read_slice(SpaceWorld* self, Gateway::Worker* worker) {
    const auto found = worker->store.catalog().object_and_plan(
        self->world_.bucket(), kSlice, [](const catalog::Version& version) {
          return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, version.bytes));
        });
    if (!found) co_return self->complain("GET", found.error());
    TextSink sink;
    const Status sent = co_await worker->store.send(found->second, sink);
    if (!sent) co_return self->complain("GET", sent.error());
    if (sink.text != self->text_.substr(self->offset_, self->length_))
      self->world_.model.violation("the slice has other bytes than it had");
  }
  void complain(const char* what, const Error& error) {
    world_.model.violation(fmt::format("{}: {}", what, error.to_string()));
  }

  sim::Prng prng_;
  std::string text_;
  std::uint64_t offset_ = 0, length_ = 0;
  std::uint64_t full_disks_ = 0;
  GridWorld world_;
};

TEST(SpaceSimulation, WhatNoSliceNeedsComesBackOnTheDisks) {
  for (const std::uint64_t seed : sim::seeds(3)) {
    SCOPED_TRACE(fmt::format("SIM_SEED={}", seed));
    SpaceWorld space(seed, 64u << 20);
    ASSERT_TRUE(space.world().start());
    space.make_slice();
    if (HasFatalFailure()) return;
    EXPECT_GT(space.full_disks(), kWholeBytes * 3 / 2);
    ASSERT_TRUE(space.comes_to_rest()) << space.world().model.report();
    // The agents make checkpoints and compact their logs by themselves.
    const std::uint64_t segments = space.length() / catalog::kSegmentBytes + 2;
    const std::uint64_t needed = segments * catalog::kSealedSegmentBytes * 3 / 2;
    // A log that is being written on each device, as much again as is alive, and the index.
    const std::uint64_t least = 2 * needed + space.world().agents() * kLogBytes * 5 / 4;
    EXPECT_TRUE(space.world().run_until([&] { return space.disks() <= least; }))
        << space.disks() << " bytes, of " << space.full_disks() << " once; not more than " << least
        << " are needed";
    space.expect_readable();
    space.expect_sound();
  }
}

TEST(SpaceSimulation, TheGatewayMayDieAtEveryStep) {
  std::size_t seeds = 0, interrupted = 0;
  for (const std::uint64_t seed : sim::seeds(8)) {
    SCOPED_TRACE(fmt::format("SIM_SEED={}", seed));
    SpaceWorld space(seed, 1u << 20);  // so slow that death comes in the middle
    GridWorld& world = space.world();
    ASSERT_TRUE(world.start());
    space.make_slice();
    if (HasFatalFailure()) return;
    for (int death = 0; death < 6; ++death) {
      // Mostly when something is being done.
      interrupted += world.run_until(
          [&] {
            const auto status = world.gateway()->healer().status();
            return status && !status->running.empty();
          },
          space.prng().in({kSecond, 40 * kSecond}));
      world.simulation.run_for(space.prng().in({0, 2 * kSecond}));
      world.gateway_process().crash();
      world.simulation.run_for(space.prng().in({0, kSecond}));
      world.gateway_process().restart();
      ASSERT_TRUE(world.run_until([&] { return world.all_usable(); })) << world.model.report();
      space.expect_readable();
      space.expect_sound();
      if (HasFailure()) return;
    }
    ASSERT_TRUE(space.comes_to_rest()) << world.model.report();
    space.expect_readable();
    space.expect_sound();
    ++seeds;
  }
  EXPECT_GE(interrupted, seeds);
}

}  // namespace
}  // namespace hydra::gridsim
