#include "gateway/journal/journal_format.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "base/encoding.h"
#include "gateway/journal/sealer.h"
#include "gateway/journal/snapshot_format.h"

namespace hydra::journal {
namespace {

using catalog::Change;

template <typename T>
Code code_of(const Result<T>& result) {
  return result ? Code{} : result.error().code;
}

Keys keys(std::uint32_t newest = 1) {
  Keys keys;
  keys.newest = newest;
  for (std::uint32_t id = 1; id <= newest; ++id) keys.keys[id].fill(static_cast<std::byte>(id));
  return keys;
}
ClusterId cluster() {
  ClusterId cluster;
  cluster.bytes.fill(std::byte{0xcc});
  return cluster;
}
Header record(std::uint64_t sequence) {
  Header header;
  header.sequence = sequence;
  header.acknowledged = sequence - 1;
  header.previous.fill(std::byte{0x99});
  header.nonce.fill(std::byte{0x11});
  return header;
}

TEST(JournalNames, AreReservedAndSortBySequence) {
  const ExtentId id = reserved_id(Kind::kRoot, 0x0102);
  EXPECT_EQ(id.to_string(), "ffffffffffff02000000000000000102");
  EXPECT_TRUE(is_reserved(id));
  EXPECT_EQ(parse_reserved(id)->sequence, 0x0102u);
  EXPECT_EQ(parse_reserved(id)->kind, Kind::kRoot);
  EXPECT_LT(reserved_id(Kind::kRecord, 9), reserved_id(Kind::kRecord, 256));
  EXPECT_LT(before_reserved(), (ShardId{reserved_id(Kind::kRecord, 0), 0}));
  ExtentId ordinary;
  ordinary.bytes[0] = std::byte{0x01};
  EXPECT_FALSE(is_reserved(ordinary));
  EXPECT_FALSE(parse_reserved(reserved_id(static_cast<Kind>(3), 1)));
}

// The example of docs/FORMAT-journal.md.
TEST(JournalFormat, RecordOfTheDocumentation) {
  const std::string plain = encode_commit(cluster(), 1000,
                                          {{"\x10"
                                            "b",
                                            "v"},
                                           {"\x20", std::nullopt}});
  EXPECT_EQ(hex_encode(as_bytes(plain)),
            "01"
            "cccccccccccccccccccccccccccccccc"
            "e803000000000000"
            "02000000"
            "01"
            "02000000"
            "1062"
            "01000000"
            "76"
            "00"
            "01000000"
            "20");
  Header header = record(7);
  header.kek_id = 1;
  header.plain_bytes = static_cast<std::uint32_t>(plain.size());
  EXPECT_EQ(hex_encode(as_bytes(encode(header)).first(60)),
            "48474a4c"
            "01"
            "01"
            "0000"
            "01000000"
            "2f000000"
            "0700000000000000"
            "0600000000000000"
            "99999999999999999999999999999999"
            "111111111111111111111111");
  EXPECT_EQ(encode(header).size(), kHeaderBytes);
}

RC_GTEST_PROP(JournalFormat, CommitsComeBack, (const std::map<std::string, std::string>& rows)) {
  Change::Batch batch;
  for (const auto& [key, value] : rows)
    if (!key.empty())
      batch.emplace(key, value.size() % 3 == 0 ? std::nullopt : std::optional(value));
  const auto decoded = decode_commit(as_bytes(encode_commit(cluster(), 5, batch)));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->batch == batch);
  RC_ASSERT(decoded->cluster == cluster() && decoded->made_ms == 5);
}

TEST(JournalFormat, RootsComeBackAndDamageIsFound) {
  Root root;
  root.cluster = cluster();
  root.made_ms = 99;
  root.copies = 3;
  root.objects = 12;
  root.plain_bytes = 345;
  root.body.bytes.fill(std::byte{2});
  root.key.kek_id = 4;
  root.extents = {{reserved_id(Kind::kRecord, 1), {4, 2}, 1000}};
  root.nodes = {{7, {}, "n7", "z"}};
  const std::string plain = encode(root);
  EXPECT_EQ(*decode_root(as_bytes(plain)), root);
  for (std::size_t size = 0; size < plain.size(); ++size)
    EXPECT_FALSE(decode_root(as_bytes(plain).first(size)));
  EXPECT_FALSE(decode_root(as_bytes(plain + "x")));
  std::string newer = plain;
  newer[0] = 2;
  EXPECT_EQ(code_of(decode_root(as_bytes(newer))), Code::kUnsupported);
}

TEST(JournalFormat, TheJournalsRowComesBack) {
  const JournalRow row{
      .sequence = 5, .mark = mark_of(as_bytes(std::string(100, 'm'))), .gap = 3, .bytes = 9};
  EXPECT_EQ(*decode_journal_row(as_bytes(encode(row))), row);
  EXPECT_TRUE(is_local("\x70rest"));
  EXPECT_TRUE(is_local("\x72"));
  EXPECT_FALSE(is_local("\x71rest"));
}

TEST(JournalFormat, ChainsBeginBehindAllThatWasSeen) {
  EXPECT_EQ(first_sequence(1000, 0), 1000u << 20);
  EXPECT_EQ(first_sequence(1, 5u << 20), (5u << 20) + 1);
  EXPECT_EQ(first_sequence(-5, 0), 1u);
}

TEST(Sealer, OpensWhatItSealed) {
  Sealer sealer(keys());
  const std::string sealed = sealer.seal(record(7), as_bytes("plain"));
  EXPECT_EQ(sealed.size(), kLeastSealedBytes + 5);
  const auto opened = sealer.open(as_bytes(sealed));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->plain, "plain");
  EXPECT_EQ(opened->header.sequence, 7u);
  EXPECT_EQ(opened->header.previous, record(7).previous);
}

TEST(Sealer, EveryFlippedBitIsFound) {
  Sealer sealer(keys());
  const std::string sealed = sealer.seal(record(7), as_bytes("plain"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string damaged = sealed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(sealer.open(as_bytes(damaged))) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(sealer.open(as_bytes(sealed).first(size))) << size;
}

TEST(Sealer, OtherKeysAndOtherPlacesDoNotOpen) {
  const std::string sealed = Sealer(keys(2)).seal(record(7), as_bytes("plain"));
  EXPECT_EQ(code_of(Sealer(keys(1)).open(as_bytes(sealed))), Code::kNotFound);
  Keys others = keys(2);
  others.keys[2].fill(std::byte{0x55});
  EXPECT_EQ(code_of(Sealer(others).open(as_bytes(sealed))), Code::kCorrupt);
  // Old keys open what they sealed, the newest seals.
  const std::string old = Sealer(keys(1)).seal(record(7), as_bytes("plain"));
  EXPECT_TRUE(Sealer(keys(2)).open(as_bytes(old)));
  // A stretch has a key of its own.
  Sealer sealer(keys());
  EXPECT_NE(sealer.seal(record(7), as_bytes("plain")).substr(kHeaderBytes),
            sealer.seal(record(7 + (1u << 20)), as_bytes("plain")).substr(kHeaderBytes));
}

class SnapshotStream : public testing::Test {
 protected:
  std::string stream() const {
    std::string out;
    append_head(out, head_);
    for (const auto& [key, value] : rows_) append_row(out, as_bytes(key), as_bytes(value));
    append_end(out, rows_.size());
    return out;
  }
  // Feeds it in pieces.
  Status feed(const std::string& bytes, std::size_t piece) {
    decoder_ = {};
    seen_.clear();
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      HYDRA_CHECK_OK(decoder_.feed(as_bytes(bytes).subspan(at, std::min(piece, bytes.size() - at)),
                                   [this](ByteView key, ByteView value) -> Status {
                                     seen_.emplace(as_text(key), as_text(value));
                                     return {};
                                   }));
    return {};
  }

  SnapshotHead head_{cluster(), 42, {}};
  std::map<std::string, std::string> rows_{{"a", ""}, {"b", std::string(3000, 'x')}, {"c", "y"}};
  SnapshotDecoder decoder_;
  std::map<std::string, std::string> seen_;
};

TEST_F(SnapshotStream, ComesBackInPiecesOfAnySize) {
  for (const std::size_t piece : {1u, 7u, 100u, 100'000u}) {
    ASSERT_TRUE(feed(stream(), piece));
    EXPECT_TRUE(decoder_.complete());
    EXPECT_EQ(*decoder_.head(), head_);
    EXPECT_EQ(seen_, rows_);
  }
}

TEST_F(SnapshotStream, IsNotCompleteBeforeItsEndAndHasNothingAfterIt) {
  const std::string whole = stream();
  ASSERT_TRUE(feed(whole.substr(0, whole.size() - 1), 100));
  EXPECT_FALSE(decoder_.complete());
  EXPECT_EQ(code_of(feed(whole + "x", 100)), Code::kCorrupt);
}

TEST_F(SnapshotStream, RowsThatLackOrAreOutOfOrderAreFound) {
  std::string out;
  append_head(out, head_);
  append_row(out, as_bytes("b"), as_bytes("1"));
  std::string unordered = out;
  append_row(unordered, as_bytes("a"), as_bytes("1"));
  EXPECT_EQ(code_of(feed(unordered, 100)), Code::kCorrupt);
  append_end(out, 2);
  EXPECT_EQ(code_of(feed(out, 100)), Code::kCorrupt);
}

}  // namespace
}  // namespace hydra::journal
