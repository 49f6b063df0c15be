// A catalog out of a snapshot's rows and the records behind it.
#include "gateway/journal/rebuild.h"

#include <gtest/gtest.h>

#include "base/kv/memory_store.h"
#include "base/runtime/sim/run_sim.h"

namespace hydra::journal {
namespace {

class RebuildTest : public testing::Test {
 protected:
  using Rows = std::map<std::string, std::string>;

  // A record behind the last one that was made; `previous` when it is of another chain.
  std::string record(std::uint64_t sequence, const catalog::Change::Batch& batch,
                     std::optional<Mark> previous = std::nullopt) {
    Header header;
    header.sequence = sequence;
    header.previous = previous.value_or(mark_);
    header.nonce[0] = static_cast<std::byte>(++nonces_);
    std::string sealed = sealer_.seal(header, as_bytes(encode_commit(cluster_, 1000, batch)));
    if (!previous) mark_ = mark_of(as_bytes(sealed));
    return sealed;
  }
  Result<bool> replay(const std::string& sealed) {
    HYDRA_TRY(const Opened opened, sealer_.open(as_bytes(sealed)));
    return rebuild_.replay(as_bytes(sealed), opened);
  }
  // A snapshot of these rows, as the root says that it is.
  void load(const Rows& rows, std::uint64_t sequence) {
    mark_.fill(std::byte{5});
    std::string stream;
    append_head(stream, {cluster_, sequence, mark_});
    for (const auto& [key, value] : rows) append_row(stream, as_bytes(key), as_bytes(value));
    append_end(stream, rows.size());
    const Status written = sim::run_sim(1, [&](Loop&) { return rebuild_.write(as_bytes(stream)); });
    ASSERT_TRUE(written) << written.error().to_string();
    Header root;
    root.sequence = sequence;
    root.previous = mark_;
    const Status loaded = rebuild_.loaded(root);
    ASSERT_TRUE(loaded) << loaded.error().to_string();
  }
  // What a catalog would find, without the journal's own row.
  Rows finish() {
    const Status finished = rebuild_.finish(1'000'000);
    EXPECT_TRUE(finished) << finished.error().to_string();
    Rows found;
    const auto snapshot = store_->snapshot();
    const auto cursor = (*snapshot)->cursor();
    for (auto more = cursor->seek({}); more && *more; more = cursor->next())
      if (!is_local(as_text(cursor->key())))
        found.emplace(as_text(cursor->key()), as_text(cursor->value()));
    return found;
  }

  ClusterId cluster_{{std::byte{9}}};
  Sealer sealer_{[] {
    Keys keys;
    keys.keys[0].fill(std::byte{1});
    return keys;
  }()};
  std::unique_ptr<kv::Store> store_ = kv::open_memory(std::make_shared<kv::MemoryImage>(), {});
  Rebuild rebuild_{*store_, cluster_};
  Mark mark_{};
  int nonces_ = 0;
};

TEST_F(RebuildTest, RecordsChangeWhatTheSnapshotHeld) {
  load({{"a", "1"}, {"b", "2"}, {"c", "3"}}, 40);
  EXPECT_TRUE(replay(record(41, {{"b", std::nullopt}, {"c", "4"}})).value());
  EXPECT_TRUE(replay(record(42, {{"d", "5"}})).value());
  EXPECT_TRUE(replay(record(43, {{"d", std::nullopt}, {"e", "6"}})).value());
  EXPECT_EQ(rebuild_.replayed(), 3u);
  EXPECT_EQ(rebuild_.sequence(), 43u);
  EXPECT_EQ(finish(), (Rows{{"a", "1"}, {"c", "4"}, {"e", "6"}}));
}

TEST_F(RebuildTest, WhatTheSnapshotHasIsNotReplayedAgain) {
  load({{"a", "new"}}, 40);
  // The last record that the snapshot stands for would bring back what a later one changed.
  EXPECT_FALSE(replay(record(40, {{"a", "old"}, {"deleted", "1"}}, Mark{})).value());
  EXPECT_EQ(finish(), (Rows{{"a", "new"}}));
}

TEST_F(RebuildTest, RecordsOfAnotherChainAndThoseBehindAGapDoNotFit) {
  load({{"a", "1"}}, 40);
  Mark other;
  other.fill(std::byte{6});
  EXPECT_FALSE(replay(record(41, {{"a", "of a chain that ended"}}, other)).value());
  EXPECT_FALSE(replay(record(42, {{"a", "behind a gap"}}, mark_)).value());
  EXPECT_TRUE(replay(record(41, {{"a", "2"}})).value());
  EXPECT_EQ(finish(), (Rows{{"a", "2"}}));
}

TEST_F(RebuildTest, RecordsOfAnotherGridAreDamage) {
  load({{"a", "1"}}, 40);
  cluster_.bytes[0] = std::byte{8};
  const auto replayed = replay(record(41, {{"a", "2"}}));
  ASSERT_FALSE(replayed);
  EXPECT_EQ(replayed.error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace hydra::journal
