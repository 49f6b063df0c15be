#include "gateway/journal/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/kv/memory_store.h"
#include "base/runtime/sim/run_sim.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/rows_format.h"

namespace hydra::journal {
namespace {

template <typename T>
Code code_of(const Result<T>& result) {
  return result ? Code{} : result.error().code;
}

// The writer's calls, by hand.
class OutboxTest : public testing::Test {
 protected:
  OutboxTest() {
    auto transaction = *store_->begin();
    EXPECT_TRUE(transaction->put(as_bytes(table_key(catalog::Table::kMeta)),
                                 as_bytes(encode(catalog::MetaRow{}))));
    EXPECT_TRUE(transaction->commit());
    reopen();
  }
  void reopen(OutboxOptions options = {.copies = 3}) {
    Keys keys;
    keys.newest = 1;
    keys.keys[1] = {};
    auto opened = Outbox::open(loop_, *store_, keys, options);
    ASSERT_TRUE(opened);
    outbox_ = std::move(*opened);
  }
  // Commits one change; false: it was undone.
  bool commit(const std::string& key, const std::string& value = "v", bool durable = true) {
    auto transaction = *store_->begin();
    EXPECT_TRUE(transaction->put(as_bytes(key), as_bytes(value)));
    const Status staged = outbox_->stage({{key, value}}, *transaction);
    EXPECT_TRUE(staged);
    if (durable) EXPECT_TRUE(transaction->commit());
    transaction.reset();
    outbox_->staged(durable);
    return durable;
  }
  void join_nodes(NodeId count) {
    for (NodeId id = 1; id <= count; ++id)
      commit(catalog::node_key(id), encode(catalog::NodeRow{.id = id}));
  }
  // Puts where the waiting ends.
  std::shared_ptr<std::optional<Status>> wait() {
    auto place = std::make_shared<std::optional<Status>>();
    outbox_->when_safe([place](const Status& status) { *place = status; });
    return place;
  }
  std::size_t outbox_rows() {
    const auto snapshot = store_->snapshot();
    const auto cursor = (*snapshot)->cursor();
    std::size_t rows = 0;
    auto more = cursor->seek(as_bytes(table_key(catalog::Table::kOutbox)));
    for (; more && *more && catalog::parse_outbox_key(cursor->key()); more = cursor->next()) ++rows;
    return rows;
  }
  void root_here() {
    const auto state = outbox_->state();
    catalog::SnapshotRow row{.sequence = state.sequence, .rooted = true};
    commit(catalog::snapshot_key(state.sequence), encode(row));
    outbox_->rooted(state.sequence, 0, 0);
  }

  std::shared_ptr<kv::MemoryImage> image_ = std::make_shared<kv::MemoryImage>();
  std::unique_ptr<kv::Store> store_ = kv::open_memory(image_, {});
  sim::Simulation simulation_{1};
  Loop& loop_ = simulation_.add_process("gateway").add_loop();
  std::shared_ptr<Outbox> outbox_;
};

TEST_F(OutboxTest, NobodyWaitsBeforeEnoughNodesHaveJoined) {
  commit(
      "\x10"
      "a");
  join_nodes(2);
  EXPECT_TRUE(wait()->has_value());
  EXPECT_EQ(outbox_rows(), 0u);
  EXPECT_FALSE(outbox_->state().begun);
  join_nodes(3);
  EXPECT_TRUE(outbox_->state().begun);
  EXPECT_EQ(outbox_rows(), 1u);
  EXPECT_FALSE(wait()->has_value());
}

TEST_F(OutboxTest, CacheNodesDoNotBeginTheJournal) {
  join_nodes(2);
  for (NodeId id = 3; id <= 6; ++id)
    commit(catalog::node_key(id),
           encode(catalog::NodeRow{.id = id, .role = agent::NodeRole::kCache}));
  EXPECT_FALSE(outbox_->state().begun);
  commit(catalog::node_key(7), encode(catalog::NodeRow{.id = 7}));
  EXPECT_TRUE(outbox_->state().begun);
}

TEST_F(OutboxTest, ClientsWaitForABaseAndForTheirRecord) {
  join_nodes(3);
  const auto early = wait();
  for (const auto& record : outbox_->take_unsent()) outbox_->sent(record->sequence);
  EXPECT_FALSE(early->has_value());
  root_here();
  EXPECT_TRUE(early->has_value());
  commit(
      "\x10"
      "a");
  const auto first = wait();
  commit(
      "\x10"
      "b");
  const auto second = wait();
  const auto records = outbox_->take_unsent();
  ASSERT_EQ(records.size(), 3u);  // with that of the root
  EXPECT_TRUE(outbox_->take_unsent().empty());
  // Out of order: nobody hears before those in front.
  outbox_->sent(records[2]->sequence);
  EXPECT_FALSE(first->has_value() || second->has_value());
  outbox_->sent(records[0]->sequence);
  EXPECT_FALSE(first->has_value());
  outbox_->sent(records[1]->sequence);
  EXPECT_TRUE(first->has_value() && second->has_value());
  commit(
      "\x10"
      "c");
  EXPECT_EQ(outbox_rows(), 1u);
}

TEST_F(OutboxTest, RecordsAreAChainThatSurvivesARestart) {
  join_nodes(3);
  root_here();
  commit(
      "\x10"
      "a");
  EXPECT_FALSE(
      commit("\x10"
             "undone",
             "v", false));
  reopen();
  commit(
      "\x10"
      "b");
  Keys keys;
  keys.newest = 1;
  keys.keys[1] = {};
  Sealer sealer(keys);
  Mark previous{};
  std::uint64_t sequence = 0;
  const auto records = outbox_->take_unsent();
  ASSERT_EQ(records.size(), 3u);  // the root stands for the first
  for (const auto& record : records) {
    const auto opened = sealer.open(as_bytes(record->bytes));
    ASSERT_TRUE(opened);
    if (sequence != 0) {
      EXPECT_EQ(opened->header.sequence, sequence + 1);
      EXPECT_EQ(opened->header.previous, previous);
    }
    sequence = opened->header.sequence;
    previous = mark_of(as_bytes(record->bytes));
  }
  EXPECT_TRUE(outbox_->state().based);
  EXPECT_EQ(outbox_->state().sequence, sequence);
}

TEST_F(OutboxTest, ClientsAreRefusedWhileNothingCanBeCarried) {
  EXPECT_TRUE(outbox_->admit_clients());
  join_nodes(3);
  outbox_->set_able(false);
  EXPECT_EQ(code_of(outbox_->admit_clients()), Code::kUnavailable);
  outbox_->set_able(true);
  EXPECT_TRUE(outbox_->admit_clients());
}

TEST_F(OutboxTest, WhoWaitsForTooLongIsTold) {
  reopen({.copies = 3, .patience_ticks = 3});
  join_nodes(3);
  const auto waiting = wait();
  outbox_->tick(1);
  outbox_->tick(2);
  EXPECT_FALSE(waiting->has_value());
  outbox_->tick(3);
  ASSERT_TRUE(waiting->has_value());
  EXPECT_EQ(code_of(**waiting), Code::kInternal);
}

TEST_F(OutboxTest, TooMuchThatWaitsIsDroppedAndNeedsANewBase) {
  reopen({.copies = 3, .max_records = 5});
  join_nodes(3);
  root_here();
  EXPECT_TRUE(outbox_->state().based);
  for (int i = 0; i < 10 && outbox_->state().based; ++i) commit("\x10" + std::to_string(i));
  EXPECT_FALSE(outbox_->state().based);
  EXPECT_EQ(outbox_rows(), 0u);
  EXPECT_EQ(outbox_->state().waiting_records, 0u);
  const auto waiting = wait();
  reopen({.copies = 3, .max_records = 5});
  EXPECT_FALSE(outbox_->state().based);
  root_here();
  EXPECT_TRUE(outbox_->state().based);
}

}  // namespace
}  // namespace hydra::journal
