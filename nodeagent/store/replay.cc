// Opening: brings the index up to date with the logs, or rebuilds it from them, and makes them
// ready to be written.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/crc32c.h"
#include "nodeagent/store/log_reader.h"
#include "nodeagent/store/store_core.h"

namespace hydra::agent {
namespace {

constexpr std::size_t kMaxDamage = 1000;

// "<16 hex digits>.log"
std::optional<std::uint64_t> generation_of(std::string_view name) {
  if (name.size() != 20 || !name.ends_with(".log")) return std::nullopt;
  std::uint64_t generation = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, generation, 16);
  if (error != std::errc() || end != name.data() + 16 || generation == 0) return std::nullopt;
  return generation;
}

class Replay {
 public:
  explicit Replay(CorePtr core) : core_(std::move(core)) {}
  Task<Status> run();

 private:
  // A committed record that may not have been synced when the machine stopped.
  struct Unproven {
    LogPtr log;
    ShardId id;
    EntryPtr entry;
  };
  // Bytes that are no record. Damage if something behind them was durable, else what a crash left.
  struct Hole {
    LogPtr log;
    std::uint64_t offset;
    std::uint64_t bytes;
    std::uint64_t proof;  // the least sequence of what lies behind it
  };
  struct LastSeen {
    bool known = false;  // the checkpoint had it
    bool clean_tail = false;
    bool any_record = false;
    bool unreadable = false;  // in part: nothing may be written to it
  };

  Task<Status> load_index();
  Task<Status> open_logs();
  Task<Status> open_log(std::uint64_t generation);
  Task<Status> check_log_header(LogPtr log);
  Task<Status> scan(LogPtr log);
  void take_shard(const LogPtr& log, const LogWalker::Shard& shard);
  void take_tombstone(const RecordHeader& header);
  void take_end(const LogPtr& log, const LogWalker::End& end);
  void prove(const LogPtr& log, std::uint64_t sequence);
  void apply_proven();
  Task<Status> check_unproven();
  Task<Result<bool>> payload_intact(const Unproven& record);
  Task<Status> settle_holes();
  Task<Status> settle_logs();
  void leave_alone(LogPtr log);
  Task<Status> sync_dirty();
  Task<bool> clear_tail(LogPtr log);
  Task<Status> remove_empty(LogPtr log);
  Task<Status> spill();
  void report(std::uint64_t generation, std::uint64_t offset, std::uint64_t bytes);

  CorePtr core_;
  bool complete_ = false;  // the index had a checkpoint
  bool clean_ = false;
  std::uint64_t checkpoint_sequence_ = 0;
  std::uint64_t durable_ = 0;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, LogState> states_;
  std::map<std::uint64_t, LastSeen> seen_;
  std::vector<Unproven> unproven_;
  std::vector<Hole> holes_;
};

void Replay::report(std::uint64_t generation, std::uint64_t offset, std::uint64_t bytes) {
  if (core_->damage.size() < kMaxDamage) core_->damage.push_back({generation, offset, bytes});
}

Task<Status> Replay::load_index() {
  auto meta = core_->index.load_meta();
  auto logs = core_->index.load_logs();
  if (!meta && meta.error().code != Code::kCorrupt) co_return fail(std::move(meta).error());
  if (!logs && logs.error().code != Code::kCorrupt) co_return fail(std::move(logs).error());
  complete_ = meta && logs && *meta && (*meta)->node == core_->identity;
  if (!complete_) co_return core_->index.clear();
  clean_ = (*meta)->clean;
  checkpoint_sequence_ = (*meta)->sequence;
  durable_ = (*meta)->sequence;
  last_ = (*meta)->last_sequence;
  core_->logs.set_next_generation((*meta)->next_generation);
  for (const LogState& state : *logs) states_[state.generation] = state;
  co_return Status();
}

Task<Status> Replay::check_log_header(LogPtr log) {
  std::array<std::byte, kLogHeaderBytes> bytes{};
  const auto got = co_await log->file->read(bytes, 0);
  if (!got && got.error().code != Code::kIo) co_return fail(got.error());
  if (!got) seen_[log->generation].unreadable = true;
  const auto header = decode_log_header(ByteView(bytes).first(got.value_or(0)));
  if (!header) {
    if (header.error().code == Code::kUnsupported) co_return fail(header.error());
    // Of a log that was just being made this is no loss; take_end decides by what else is in it.
    holes_.push_back({log, 0, kLogHeaderBytes, UINT64_MAX});
    co_return Status();
  }
  if (header->node != core_->identity)
    co_return fail(Code::kConflict, log->path + " belongs to another node");
  if (header->generation != log->generation)
    holes_.push_back({log, 0, kLogHeaderBytes, UINT64_MAX});
  co_return Status();
}

Task<Status> Replay::open_log(std::uint64_t generation) {
  auto log = std::make_shared<Log>();
  log->generation = generation;
  log->path = core_->logs.path_of(generation);
  HYDRA_CO_TRY(log->file, co_await core_->loop.disk().open(log->path, OpenMode::kReadWrite));
  HYDRA_CO_TRY(log->log_bytes, co_await log->file->size());
  if (const auto known = states_.find(generation); known != states_.end()) {
    const LogState& state = known->second;
    seen_[generation].known = true;
    log->tail = state.tail;
    log->settled = state.scan_from;
    log->live_bytes = state.live_bytes;
    log->punched_bytes = std::min(state.punched_bytes, log->log_bytes);
    log->sealed = state.sealed;
  }
  core_->logs.adopt(log);
  core_->logs.set_next_generation(std::max(core_->logs.next_generation(), generation + 1));
  co_return co_await check_log_header(log);
}

Task<Status> Replay::open_logs() {
  HYDRA_CO_TRY(const auto names, co_await core_->loop.disk().list(core_->logs.directory()));
  for (const std::string& name : names)
    if (const auto generation = generation_of(name))
      HYDRA_CO_CHECK_OK(co_await open_log(*generation));
  for (const auto& [generation, state] : states_)
    if (!core_->logs.find(generation) && state.live_bytes > 0)
      report(generation, 0, state.log_bytes);
  co_return Status();
}

void Replay::prove(const LogPtr& log, std::uint64_t sequence) {
  seen_[log->generation].any_record = true;
  for (Hole& hole : holes_)
    if (hole.log == log) hole.proof = std::min(hole.proof, sequence);
}

void Replay::take_shard(const LogPtr& log, const LogWalker::Shard& shard) {
  const RecordHeader& header = shard.header;
  if (!shard.trailer) {
    prove(log, UINT64_MAX);
    core_->commits.retire({header.generation, header.offset, header.record_bytes});
    return;
  }
  const Trailer& trailer = *shard.trailer;
  prove(log, trailer.sequence);
  last_ = std::max(last_, trailer.sequence);
  durable_ = std::max(durable_, trailer.durable);
  if (trailer.sequence <= checkpoint_sequence_) return;
  auto entry = std::make_shared<IndexEntry>();
  entry->generation = header.generation;
  entry->offset = header.offset;
  entry->record_bytes = header.record_bytes;
  entry->layout = header.layout;
  entry->order = trailer.order;
  entry->sequence = trailer.sequence;
  entry->block_crcs = trailer.block_crcs;
  unproven_.push_back({log, header.shard, std::move(entry)});
  apply_proven();
}

void Replay::apply_proven() {
  std::erase_if(unproven_, [&](const Unproven& record) {
    if (record.entry->sequence > durable_) return false;
    core_->commits.apply(record.id, record.entry);
    return true;
  });
}

void Replay::take_tombstone(const RecordHeader& header) {
  last_ = std::max(last_, header.sequence);
  if (header.sequence <= checkpoint_sequence_) return;
  auto entry = std::make_shared<IndexEntry>();
  entry->order = header.sequence;
  entry->sequence = header.sequence;
  core_->commits.apply(header.shard, std::move(entry));
}

void Replay::take_end(const LogPtr& log, const LogWalker::End& end) {
  log->sealed = end.sealed;
  log->tail = end.sealed ? end.offset + kRecordHeaderBytes : end.offset;
  seen_[log->generation].clean_tail = end.clean;
  if (end.sealed) {
    prove(log, end.seal_sequence + 1);
    last_ = std::max(last_, end.seal_sequence);
  }
}

Task<Status> Replay::scan(LogPtr log) {
  std::uint64_t from = kFirstRecord;
  if (const auto known = states_.find(log->generation); known != states_.end()) {
    const LogState& state = known->second;
    seen_[log->generation].any_record = true;
    if (clean_ || (state.sealed && state.scan_from == state.tail)) {
      seen_[log->generation].clean_tail = true;
      co_return Status();
    }
    from = state.scan_from;
  }
  // What is found may lie in the page cache only, when not the machine but the process stopped.
  log->dirty = true;
  LogReader reader(log, core_->identity, from);
  for (;;) {
    HYDRA_CO_TRY(const LogWalker::Step step, co_await reader.next());
    if (const auto* shard = std::get_if<LogWalker::Shard>(&step)) {
      take_shard(log, *shard);
    } else if (const auto* tombstone = std::get_if<LogWalker::Tombstone>(&step)) {
      prove(log, UINT64_MAX);
      take_tombstone(tombstone->header);
    } else if (const auto* gap = std::get_if<LogWalker::Gap>(&step)) {
      holes_.push_back({log, gap->offset, gap->bytes, UINT64_MAX});
    } else if (const auto* end = std::get_if<LogWalker::End>(&step)) {
      take_end(log, *end);
      if (reader.unreadable()) seen_[log->generation].unreadable = true;
      co_return Status();
    }
    HYDRA_CO_CHECK_OK(co_await spill());
  }
}

// Keeps memory bounded during a long rebuild: rows go to the index, which stays marked as
// incomplete meanwhile.
Task<Status> Replay::spill() {
  if (core_->index.changes() < 4 * core_->options.checkpoint_changes) co_return Status();
  const ShardIndex::Checkpoint rows = core_->index.begin_checkpoint();
  const Status written = ShardIndex::write_checkpoint(rows);
  core_->index.end_checkpoint(written.has_value());
  co_return written;
}

Task<Result<bool>> Replay::payload_intact(const Unproven& record) {
  const erasure::Layout& layout = record.entry->layout;
  Buffer block(layout.block_size(0));
  for (std::uint32_t i = 0; i < layout.stripes(); ++i) {
    block.resize(layout.block_size(i));
    const std::uint64_t at =
        record.entry->offset + kRecordHeaderBytes + layout.block_shard_offset(i);
    const auto got = co_await record.log->file->read(block.span(), at);
    // Unknown is not absent: what cannot be read is kept, for the reader to find broken.
    if (!got && got.error().code == Code::kIo) co_return true;
    if (!got) co_return fail(got.error());
    if (*got != block.size() || crc32c(block.view()) != record.entry->block_crcs[i])
      co_return false;
  }
  co_return true;
}

// The last commits before a crash: durable or not, nobody was told. Those that are whole are kept;
// the trailer of the others is wiped, or a later walk, which knows of later syncs, would take it
// for a proof.
Task<Status> Replay::check_unproven() {
  apply_proven();
  for (const Unproven& record : unproven_) {
    HYDRA_CO_TRY(const bool intact, co_await payload_intact(record));
    if (intact) {
      core_->commits.apply(record.id, record.entry);
      continue;
    }
    core_->commits.retire(
        {record.entry->generation, record.entry->offset, record.entry->record_bytes});
    if (core_->logs.fenced() || seen_[record.log->generation].unreadable) continue;
    const std::vector<std::byte> zeros(trailer_bytes(record.entry->layout.stripes()));
    std::vector<ByteView> pieces{ByteView(zeros)};
    HYDRA_CO_CHECK_OK(co_await core_->logs.write(
        record.log, std::move(pieces),
        record.entry->offset + record.entry->record_bytes - zeros.size()));
  }
  unproven_.clear();
  co_return Status();
}

// Where a crash lost a header, a pad takes its place, so that the next walk does not stumble again.
Task<Status> Replay::settle_holes() {
  for (const Hole& hole : holes_) {
    if (!core_->logs.find(hole.log->generation)) continue;  // removed
    if (hole.proof <= durable_ || hole.offset == 0) {
      report(hole.log->generation, hole.offset, hole.bytes);
      continue;
    }
    if (hole.bytes < kRecordHeaderBytes || core_->logs.fenced() ||
        seen_[hole.log->generation].unreadable)
      continue;
    RecordHeader pad;
    pad.type = RecordType::kPad;
    pad.node = core_->identity;
    pad.generation = hole.log->generation;
    pad.offset = hole.offset;
    pad.record_bytes = hole.bytes;
    const RecordHeaderBytes bytes = encode_record_header(pad);
    std::vector<ByteView> pieces{ByteView(bytes)};
    HYDRA_CO_CHECK_OK(co_await core_->logs.write(hole.log, std::move(pieces), hole.offset));
  }
  co_return Status();
}

// Makes the bytes after the last record zeros, so that nothing stale can be taken for a record
// later.
Task<bool> Replay::clear_tail(LogPtr log) {
  const std::uint64_t page = std::min(round_up(log->tail, kPageBytes), log->log_bytes);
  const std::vector<std::byte> zeros(page - log->tail);
  if (!zeros.empty()) {
    std::vector<ByteView> pieces{ByteView(zeros)};
    const Status written = co_await core_->logs.write(log, std::move(pieces), log->tail);
    if (!written) co_return false;
  }
  const std::uint64_t rest = log->log_bytes - page;
  if (rest > 0) {
    const Status punched = co_await log->file->punch_hole(page, rest);
    if (!punched) co_return false;
    const Status allocated = co_await log->file->allocate(page, rest);
    if (!allocated) co_return false;
  }
  const Status synced = co_await core_->logs.sync(log);
  co_return synced.has_value();
}

Task<Status> Replay::remove_empty(LogPtr log) {
  log->file.reset();
  HYDRA_CO_CHECK_OK(co_await core_->logs.drop(log));
  co_return co_await core_->loop.disk().sync_directory(core_->logs.directory());
}

// Where a log that cannot be read in part ends is not known: it takes no more records. What the
// walk did not find is lost to the index, and reported.
void Replay::leave_alone(LogPtr log) {
  report(log->generation, log->settled, log->log_bytes - log->settled);
  log->sealed = true;
  log->tail = log->log_bytes;
  log->settled = log->tail;
  log->dirty = false;
  log->keep = true;
}

// The newest log goes on, if its tail is clean or can be made so; the others take no more records.
Task<Status> Replay::settle_logs() {
  std::vector<LogPtr> logs;
  for (const auto& [generation, log] : core_->logs.all()) logs.push_back(log);
  for (const LogPtr& log : logs) {
    const bool newest = log == logs.back();
    const LastSeen& seen = seen_[log->generation];
    if (!seen.any_record && !seen.known && !seen.unreadable) {
      HYDRA_CO_CHECK_OK(co_await remove_empty(log));
      continue;
    }
    if (seen.unreadable) {
      leave_alone(log);
      continue;
    }
    if (log->sealed) continue;
    if (newest) {
      if (!seen.clean_tail) {
        const bool cleared = co_await clear_tail(log);
        if (!cleared) {
          HYDRA_CO_CHECK_OK(co_await core_->logs.seal(log, last_));
          continue;
        }
      }
      core_->logs.activate(log);
      continue;
    }
    HYDRA_CO_CHECK_OK(co_await core_->logs.seal(log, last_));
  }
  co_return Status();
}

Task<Status> Replay::sync_dirty() {
  for (const auto& [generation, log] : core_->logs.all())
    if (log->dirty) HYDRA_CO_CHECK_OK(co_await core_->logs.sync(log));
  co_return Status();
}

Task<Status> Replay::run() {
  HYDRA_CO_CHECK_OK(co_await load_index());
  HYDRA_CO_CHECK_OK(co_await open_logs());
  std::vector<LogPtr> logs;
  for (const auto& [generation, log] : core_->logs.all()) logs.push_back(log);
  for (const LogPtr& log : logs) HYDRA_CO_CHECK_OK(co_await scan(log));
  HYDRA_CO_CHECK_OK(co_await check_unproven());
  core_->commits.set_last_sequence(last_);
  co_await core_->logs.refresh_space();
  if (!core_->logs.fenced()) HYDRA_CO_CHECK_OK(co_await settle_logs());
  HYDRA_CO_CHECK_OK(co_await settle_holes());
  if (core_->logs.fenced()) co_return Status();  // only reads from now on
  HYDRA_CO_CHECK_OK(co_await sync_dirty());
  // Also takes back the mark of a clean end, before anything is written.
  co_return co_await checkpoint(core_, false);
}

}  // namespace

Task<Status> replay_logs(CorePtr core) {
  Replay replay(std::move(core));
  co_return co_await replay.run();
}

}  // namespace hydra::agent
