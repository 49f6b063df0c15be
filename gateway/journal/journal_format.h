// The journal's records and roots as they lie on the agents, and its own rows in the catalog.
// docs/FORMAT-journal.md is the page for people. Pure functions; any thread. Decoders take hostile
// bytes: kCorrupt for damage, kUnsupported for a version that we do not know.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/result.h"
#include "erasure/profile.h"
#include "gateway/catalog/change.h"
#include "gateway/catalog/rows.h"

namespace hydra::journal {

// The last 16 bytes of a sealed record (its GCM tag) are its mark: the next record names it, so a
// chain of records cannot be mistaken for another that was begun at the same place.
using Mark = std::array<std::byte, kGcmTagBytes>;
using Nonce = std::array<std::byte, kGcmNonceBytes>;

enum class Kind : std::uint8_t { kRecord = 1, kRoot = 2 };

// ---- names on the agents ---------------------------------------------------------------------

// ff ff ff ff ff ff, the kind, 00, the sequence in big-endian.
ExtentId reserved_id(Kind kind, std::uint64_t sequence);
struct ReservedName {
  Kind kind;
  std::uint64_t sequence;
};
// std::nullopt: not a reserved id, or of a kind that we do not know.
std::optional<ReservedName> parse_reserved(const ExtentId& id);
// Comes before every reserved id, and after all others.
ShardId before_reserved();

// ---- the header of records and roots ---------------------------------------------------------

constexpr std::uint8_t kSealedVersion = 1;
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kLeastSealedBytes = kHeaderBytes + kGcmTagBytes;
// With its header, a record fits into one extent and one value of the outbox.
constexpr std::size_t kMaxPlainBytes = (60u << 20);

struct Header {
  Kind kind = Kind::kRecord;
  std::uint32_t kek_id = 0;
  std::uint32_t plain_bytes = 0;
  std::uint64_t sequence = 0;
  // When this was sealed, clients had been told of everything up to this commit; 0: of nothing.
  std::uint64_t acknowledged = 0;
  Mark previous{};  // of the record before; a root's: of the last record that it stands for
  Nonce nonce{};

  bool operator==(const Header&) const = default;
};
std::string encode(const Header& header);
Result<Header> decode_header(ByteView sealed);
// The last bytes of a sealed record.
Mark mark_of(ByteView sealed);

// ---- what is sealed --------------------------------------------------------------------------

// One commit of the catalog.
struct Commit {
  ClusterId cluster;
  std::int64_t made_ms = 0;
  catalog::Change::Batch batch;
};
std::string encode_commit(const ClusterId& cluster, std::int64_t made_ms,
                          const catalog::Change::Batch& batch);
Result<Commit> decode_commit(ByteView plain);

// Where the snapshot lies that stands for all commits up to the root's sequence.
struct RootExtent {
  ExtentId stored_as;
  erasure::Profile profile{};
  std::uint32_t length = 0;
  bool operator==(const RootExtent&) const = default;
};
struct RootNode {
  NodeId id = 0;
  NodeIdentity identity;
  std::string name, zone;
  bool operator==(const RootNode&) const = default;
};
struct Root {
  ClusterId cluster;
  std::int64_t made_ms = 0;
  std::uint8_t copies = 0;  // of each record and root
  std::uint64_t objects = 0;
  std::uint64_t plain_bytes = 0;  // of the snapshot
  BodyId body;
  catalog::WrappedKey key;
  std::vector<RootExtent> extents;  // in order, the body's sealed bytes fill them
  std::vector<RootNode> nodes;      // that belonged to the grid
  bool operator==(const Root&) const = default;
};
std::string encode(const Root& root);
Result<Root> decode_root(ByteView plain);

// ---- the journal's own row in the catalog -----------------------------------------------------

// Written with every commit, and never part of a record or a snapshot.
struct JournalRow {
  std::uint64_t sequence = 0;  // of the last commit
  Mark mark{};                 // of its record
  std::uint64_t gap = 0;    // records up to this one are no basis: a snapshot must stand for them
  std::uint64_t bytes = 0;  // of all records ever
  bool operator==(const JournalRow&) const = default;
};
std::string encode(const JournalRow& row);
Result<JournalRow> decode_journal_row(ByteView row);

// Whether a row belongs to this machine's catalog only: the outbox and the journal's own row.
bool is_local(std::string_view key);

// A chain begins with a sequence that no earlier one can have reached: they grow by one a commit,
// this one by 2^20 a millisecond.
std::uint64_t first_sequence(std::int64_t wall_ms, std::uint64_t greatest_seen);

}  // namespace hydra::journal
