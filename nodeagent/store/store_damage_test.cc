// Broken disks: flipped bytes, torn tails, failed syncs, lost indexes.
#include "base/runtime/sync.h"
#include "nodeagent/store/log_format.h"
#include "nodeagent/store/sim_store_fixture.h"

namespace hydra::agent {
namespace {

class StoreDamage : public SimStoreTest {
 protected:
  StoreDamage() : SimStoreTest(77) {
    options_.checkpoint_interval = 3600 * kSecond;  // nothing but what the tests do
  }

  void put(std::uint64_t number, std::uint64_t length) {
    const Status done = run([&](Loop&) -> Task<Status> {
      return put_shard(*store_, shard_id(number), layout_of(length), number);
    });
    ASSERT_TRUE(done) << done.error().to_string();
  }
  // "" when it is right, else the error's name.
  std::string state_of(std::uint64_t number, std::uint64_t length) {
    const auto got = run([&](Loop&) { return get_shard(*store_, shard_id(number)); });
    if (!got) return std::string(code_name(got.error().code));
    return *got == shard_content(number, layout_of(length).shard_bytes()) ? "" : "other bytes";
  }
  void kill() {
    process_.crash();
    store_.reset();
    process_.restart();
  }
  void cut_power() {
    process_.power_loss();
    store_.reset();
    process_.restart();
  }
  void close() {
    run([this](Loop&) -> Task<void> { ASSERT_OK_CO(co_await store_->close()); });
    store_.reset();
  }
  sim::SimDisk& disk() { return process_.disk(); }
  std::string log_path(int generation) {
    return std::string(kStoreDirectory) + "/logs/000000000000000" + std::to_string(generation) +
           ".log";
  }
  void lose_index() { disk().erase(std::string(kStoreDirectory) + "/index"); }
  // Where in the log the shard's record begins.
  std::uint64_t record_of(int generation, std::uint64_t number) {
    const std::string log = *disk().contents(log_path(generation));
    for (std::uint64_t at = kFirstRecord; at + kRecordHeaderBytes <= log.size();
         at += kRecordAlignment) {
      const auto header = decode_record_header(as_bytes(log).subspan(at));
      if (header && header->type == RecordType::kShard && header->shard == shard_id(number))
        return at;
    }
    ADD_FAILURE() << "no record of " << number;
    return 0;
  }
};

TEST_F(StoreDamage, FlippedByteInABodyIsDetected) {
  open();
  put(1, 50'000);
  put(2, 3'000'000);
  ASSERT_TRUE(disk().corrupt(log_path(1), record_of(1, 1) + kRecordHeaderBytes + 777, 1));
  ASSERT_TRUE(disk().corrupt(log_path(2), record_of(2, 2) + kRecordHeaderBytes + 1'500'000, 1));
  EXPECT_EQ(state_of(1, 50'000), "Corrupt");
  EXPECT_EQ(state_of(2, 3'000'000), "Corrupt");
  run([this](Loop&) -> Task<void> {
    for (const std::uint64_t number : {1, 2}) {
      const Status verified = co_await store_->verify(shard_id(number));
      EXPECT_EQ(verified.error().code, Code::kCorrupt);
    }
    const auto partial = co_await store_->read(shard_id(1), 10, 20);
    EXPECT_EQ(partial.error().code, Code::kCorrupt) << "the store checks the block it cuts from";
    const auto other_block = co_await store_->read(shard_id(2), 0, 100);
    EXPECT_TRUE(other_block.has_value());
  });
}

TEST_F(StoreDamage, VerifyLooksAtEveryBlock) {
  constexpr std::uint64_t kBytes = 3'000'000;
  open();
  const erasure::Layout layout = layout_of(kBytes);
  ASSERT_EQ(layout.stripes(), 3u);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const int number = static_cast<int>(block) + 1;  // of the shard, and of the log that it fills
    put(number, kBytes);
    const std::uint64_t end = layout.block_shard_offset(block) + layout.block_size(block);
    const std::uint64_t at = record_of(number, number) + kRecordHeaderBytes + end - 1;
    ASSERT_TRUE(disk().corrupt(log_path(number), at, 1));
    run([&](Loop&) -> Task<void> {
      const Status verified = co_await store_->verify(shard_id(number));
      EXPECT_EQ(verified ? Code{} : verified.error().code, Code::kCorrupt) << "block " << block;
    });
  }
}

TEST_F(StoreDamage, FlippedByteInARecordFrameIsDetectedByVerify) {
  open();
  put(1, 5000);
  put(2, 5000);
  const auto end_of = [&](int n) { return record_of(1, n) + kRecordHeaderBytes + 5056; };
  ASSERT_TRUE(disk().corrupt(log_path(1), end_of(1) + 50, 1));
  ASSERT_TRUE(disk().corrupt(log_path(1), record_of(1, 2) + 80, 1));
  EXPECT_EQ(state_of(1, 5000), "") << "the index knows all that a read needs";
  run([this](Loop&) -> Task<void> {
    for (const std::uint64_t number : {1, 2}) {
      const Status verified = co_await store_->verify(shard_id(number));
      EXPECT_EQ(verified.error().code, Code::kCorrupt);
    }
  });
}

TEST_F(StoreDamage, LostIndexIsRebuilt) {
  options_.checkpoint_changes = 8;  // spill during the rebuild
  open();
  for (std::uint64_t i = 0; i < 100; ++i) put(i, 1 + i * i * 20);
  run([this](Loop&) -> Task<void> {
    for (std::uint64_t i = 0; i < 100; i += 5) EXPECT_TRUE(co_await store_->free(shard_id(i)));
  });
  const std::uint64_t used = store_->space().used_bytes;
  close();
  lose_index();
  open();
  EXPECT_TRUE(store_->damage().empty());
  EXPECT_EQ(store_->space().used_bytes, used);
  for (std::uint64_t i = 0; i < 100; ++i)
    EXPECT_EQ(state_of(i, 1 + i * i * 20), i % 5 == 0 ? "NotFound" : "") << i;
}

TEST_F(StoreDamage, CorruptIndexIsRebuilt) {
  open();
  put(1, 5000);
  close();
  {
    auto kv = kv::open_memory(disk().kv_image(std::string(kStoreDirectory) + "/index"), {});
    auto transaction = kv->begin();
    ASSERT_TRUE(transaction);
    ASSERT_TRUE((*transaction)->put(as_bytes("M"), as_bytes("nonsense")));
    ASSERT_TRUE((*transaction)->commit());
  }
  open();
  EXPECT_EQ(state_of(1, 5000), "");
}

TEST_F(StoreDamage, FlippedHeaderByteInASealedLogIsReported) {
  open();
  for (std::uint64_t i = 0; i < 30; ++i) put(i, 100'000);  // three logs and more
  const std::uint64_t at = record_of(2, 12);
  ASSERT_TRUE(disk().corrupt(log_path(2), at + 60, 1));
  close();
  lose_index();
  open();
  ASSERT_EQ(store_->damage().size(), 1u);
  EXPECT_EQ(store_->damage()[0].generation, 2u);
  EXPECT_EQ(store_->damage()[0].offset, at);
  EXPECT_EQ(store_->damage()[0].bytes, shard_record_bytes(layout_of(100'000), at));
  for (std::uint64_t i = 0; i < 30; ++i)
    EXPECT_EQ(state_of(i, 100'000), i == 12 ? "NotFound" : "") << i;
}

TEST_F(StoreDamage, FlippedHeaderByteInTheActiveLogLosesOneShard) {
  open();
  for (std::uint64_t i = 0; i < 6; ++i) put(i, 10'000);
  ASSERT_TRUE(disk().corrupt(log_path(1), record_of(1, 2) + 3, 1));
  kill();
  lose_index();
  open();
  EXPECT_EQ(store_->damage().size(), 1u);
  for (std::uint64_t i = 0; i < 6; ++i)
    EXPECT_EQ(state_of(i, 10'000), i == 2 ? "NotFound" : "") << i;
  put(7, 10'000);
  kill();
  open();
  for (std::uint64_t i = 0; i < 8; ++i)
    EXPECT_EQ(state_of(i, 10'000), i == 2 || i == 6 ? "NotFound" : "") << i;
}

TEST_F(StoreDamage, TruncatedTailIsIgnored) {
  open();
  for (std::uint64_t i = 0; i < 5; ++i) put(i, 20'000);
  const std::uint64_t last = record_of(1, 4);
  kill();
  // The record of 4 was torn: its trailer and half its payload never came.
  const std::string log = disk().contents(log_path(1))->substr(0, last + 10'000);
  disk().put(log_path(1), log);
  open();
  EXPECT_TRUE(store_->damage().empty());
  for (std::uint64_t i = 0; i < 5; ++i)
    EXPECT_EQ(state_of(i, 20'000), i == 4 ? "NotFound" : "") << i;
  put(4, 20'000);
  put(5, 20'000);
  kill();
  open();
  for (std::uint64_t i = 0; i < 6; ++i) EXPECT_EQ(state_of(i, 20'000), "") << i;
}

TEST_F(StoreDamage, StaleBytesAfterTheTailNeverComeBack) {
  open();
  for (std::uint64_t i = 0; i < 5; ++i) put(i, 20'000);
  const std::string whole = *disk().contents(log_path(1));
  const std::uint64_t third = record_of(1, 2);
  kill();
  lose_index();
  // Nothing from record 2 on was synced, and the power loss kept only parts of 3 and 4, without 2's
  // header.
  std::string log = whole;
  for (std::uint64_t i = 0; i < 200; ++i) log[third + i] = '\0';
  for (std::uint64_t number : {3, 4}) {
    const std::uint64_t at = third + (number - 2) * shard_record_bytes(layout_of(20'000), 0);
    log[at + kRecordHeaderBytes + 5] ^= 1;
  }
  disk().put(log_path(1), log);
  open();
  EXPECT_EQ(state_of(0, 20'000), "");
  EXPECT_EQ(state_of(1, 20'000), "");
  put(2, 20'000);
  put(6, 20'000);
  kill();
  lose_index();
  open();
  EXPECT_EQ(state_of(2, 20'000), "");
  EXPECT_EQ(state_of(6, 20'000), "");
  for (const std::uint64_t number : {3, 4})
    EXPECT_NE(state_of(number, 20'000), "other bytes") << number;
}

// The shard is begun again where a crash left its old trailer without a header, and never
// committed.
TEST_F(StoreDamage, TrailerBehindTheTailNeverCommitsAnotherRecord) {
  constexpr std::uint64_t kLong = 200'000;  // its header goes out before its trailer
  open();
  put(0, 100);
  put(1, kLong);
  const std::uint64_t at = record_of(1, 1);
  kill();
  const std::string nothing(kRecordHeaderBytes, '\0');
  ASSERT_TRUE(disk().overwrite(log_path(1), at, as_bytes(nothing)));
  open();
  ASSERT_EQ(state_of(1, kLong), "NotFound");
  auto begun =
      run([this](Loop&) { return start_shard(*store_, shard_id(1), layout_of(kLong), 1); });
  ASSERT_TRUE(begun);
  ASSERT_EQ(record_of(1, 1), at);
  for (const std::uint64_t number : {2, 3, 4}) put(number, 100);
  begun->reset();
  kill();
  lose_index();
  open();
  EXPECT_EQ(state_of(1, kLong), "NotFound");
  EXPECT_EQ(state_of(4, 100), "");
}

TEST_F(StoreDamage, LostLogIsReportedAndItsShardsAreCorrupt) {
  open();
  for (std::uint64_t i = 0; i < 25; ++i) put(i, 100'000);
  close();
  ASSERT_TRUE(disk().erase(log_path(1)));
  open();
  ASSERT_EQ(store_->damage().size(), 1u);
  EXPECT_EQ(store_->damage()[0].generation, 1u);
  EXPECT_EQ(state_of(0, 100'000), "Corrupt") << "unknown is not absent";
  put(0, 100'000);
  EXPECT_EQ(state_of(0, 100'000), "");
  EXPECT_EQ(state_of(24, 100'000), "");
}

TEST_F(StoreDamage, LogOfAnotherNodeIsRefused) {
  open();
  put(1, 100);
  close();
  std::string log = *disk().contents(log_path(1));
  LogHeader header;
  header.node.bytes[3] = std::byte{9};
  header.generation = 1;
  const auto bytes = encode_log_header(header);
  std::memcpy(log.data(), bytes.data(), bytes.size());
  disk().put(log_path(1), log);
  run([this](Loop& loop) -> Task<void> {
    const auto opened = co_await ShardStore::open(loop, options_);
    EXPECT_EQ(opened.error().code, Code::kConflict);
  });
}

TEST_F(StoreDamage, LogsWithoutIdentityAreRefused) {
  open();
  put(1, 100);
  close();
  ASSERT_TRUE(disk().erase(std::string(kStoreDirectory) + "/identity"));
  run([this](Loop& loop) -> Task<void> {
    const auto opened = co_await ShardStore::open(loop, options_);
    EXPECT_EQ(opened.error().code, Code::kCorrupt);
  });
}

TEST_F(StoreDamage, UnreadablePageCostsItsRecordsOnly) {
  open();
  for (std::uint64_t i = 0; i < 20; ++i) put(i, 100'000);
  close();
  lose_index();
  // The first window of log 1 cannot be read at once, nor can its first page on its own.
  disk().inject(log_path(1), sim::DiskFault::kReadError, 3);
  open();
  disk().clear_injected();
  EXPECT_FALSE(store_->damage().empty());
  EXPECT_EQ(store_->damage()[0].generation, 1u);
  EXPECT_EQ(state_of(0, 100'000), "NotFound");
  for (std::uint64_t i = 1; i < 20; ++i) EXPECT_EQ(state_of(i, 100'000), "") << i;
  put(30, 100'000);
  close();
  open();  // now it can be read
  EXPECT_EQ(state_of(30, 100'000), "");
}

Task<void> commit_into(ShardStore& store, std::uint64_t number, std::vector<Status>& results) {
  results.push_back(co_await put_shard(store, shard_id(number), layout_of(5000), number));
}

TEST_F(StoreDamage, FailedSyncFencesForEver) {
  open();
  put(1, 5000);
  const std::uint64_t before = store_->syncs();
  disk().inject(log_path(1), sim::DiskFault::kSyncError);
  std::vector<Status> results;
  run([&](Loop& loop) -> Task<void> {
    TaskGroup group(loop);
    for (std::uint64_t i = 10; i < 20; ++i) group.spawn(commit_into(*store_, i, results));
    co_await group.join();
    for (const Status& result : results) {
      EXPECT_FALSE(result);
      if (!result) EXPECT_EQ(result.error().code, Code::kFenced);
    }
    EXPECT_TRUE(store_->fenced());
    EXPECT_EQ(store_->syncs(), before + 1) << "never retried";
    const auto begun = co_await store_->begin(shard_id(30), layout_of(100));
    EXPECT_EQ(begun.error().code, Code::kFenced);
    const Status freed = co_await store_->free(shard_id(1));
    EXPECT_EQ(freed.error().code, Code::kFenced);
    EXPECT_EQ(store_->space().free_bytes, 0u);
  });
  EXPECT_EQ(results.size(), 10u);
  EXPECT_EQ(state_of(1, 5000), "") << "reads go on";
  EXPECT_EQ(state_of(10, 5000), "NotFound");

  // The marker keeps the next process off, too.
  run([](Loop& loop) -> Task<void> { co_await sleep_for(loop, kSecond); });
  kill();
  open();
  EXPECT_TRUE(store_->fenced());
  EXPECT_EQ(state_of(1, 5000), "");
  close();
  disk().erase(std::string(kStoreDirectory) + "/fenced");
  open();
  EXPECT_FALSE(store_->fenced());
  put(2, 5000);
}

TEST_F(StoreDamage, FailedWriteFences) {
  open();
  put(1, 5000);
  disk().inject(log_path(1), sim::DiskFault::kWriteError);
  run([this](Loop&) -> Task<void> {
    const Status failed = co_await put_shard(*store_, shard_id(2), layout_of(5000), 2);
    EXPECT_EQ(failed.error().code, Code::kFenced);
  });
  EXPECT_TRUE(store_->fenced());
  EXPECT_EQ(state_of(1, 5000), "");
}

TEST_F(StoreDamage, FailedIndexKeepsWhatTheLogHas) {
  open();
  put(1, 5000);
  disk().kv_image(std::string(kStoreDirectory) + "/index")->fail_commits(1, Code::kNoSpace);
  run([this](Loop&) -> Task<void> {
    const Status closed = co_await store_->close();
    EXPECT_EQ(closed.error().code, Code::kNoSpace);
  });
  store_.reset();
  open();
  EXPECT_EQ(state_of(1, 5000), "");
}

TEST_F(StoreDamage, PowerLossWhileFirstLogIsMade) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    disk().wipe();
    open();
    process_.loop().spawn([](ShardStore& store) -> Task<void> {
      const Status ignored = co_await put_shard(store, shard_id(1), layout_of(100), 1);
    }(*store_));
    simulation_.run_for(static_cast<Nanos>(simulation_.prng().between(1, 15 * kMillisecond)));
    cut_power();
    open();
    EXPECT_TRUE(store_->damage().empty());
    put(2, 100);
    EXPECT_EQ(state_of(2, 100), "");
    kill();
  }
}

}  // namespace
}  // namespace hydra::agent
