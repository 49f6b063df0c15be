// Writing and forgetting shards.
#include <fmt/format.h>

#include "base/crc32c.h"
#include "nodeagent/store/store_core.h"

namespace hydra::agent {
namespace {

// A shard of one block up to this size is kept until commit and goes out in one write.
constexpr std::uint64_t kSingleWriteBytes = 128u << 10;
static_assert(kSingleWriteBytes < kPunchableBytes, "single-write records have no padding");

class PendingRecord : public PendingShard {
 public:
  PendingRecord(CorePtr core, Reservation reservation)
      : core_(std::move(core)),
        reservation_(std::move(reservation)),
        single_write_(layout().stripes() == 1 &&
                      reservation_.header.shard_bytes <= kSingleWriteBytes) {}
  ~PendingRecord() override {
    if (!settled_) abandon();
  }

  Task<Status> append(ByteView block, std::uint32_t crc32c) override;
  Task<Status> commit() override;

 private:
  const erasure::Layout& layout() const { return reservation_.header.layout; }
  Status check_block(ByteView block, std::uint32_t crc32c) const;
  Task<Status> write_block(ByteView block);
  Task<Status> write_trailer(std::uint64_t sequence);
  void abandon();

  CorePtr core_;
  Reservation reservation_;
  bool single_write_;
  Buffer whole_;  // header, payload and trailer of a single-write record
  std::vector<std::uint32_t> block_crcs_;
  bool header_written_ = false;
  bool settled_ = false;
  Status failed_;
};

Status PendingRecord::check_block(ByteView block, std::uint32_t crc) const {
  if (block_crcs_.size() == layout().stripes())
    return fail(Code::kInvalidArgument, "the shard has no more blocks");
  const auto stripe = static_cast<std::uint32_t>(block_crcs_.size());
  if (block.size() != layout().block_size(stripe))
    return fail(Code::kInvalidArgument, fmt::format("block {} has {} bytes instead of {}", stripe,
                                                    block.size(), layout().block_size(stripe)));
  if (crc32c(block) != crc) return fail(Code::kCorrupt, "the block fails its checksum");
  return {};
}

Task<Status> PendingRecord::append(ByteView block, std::uint32_t crc32c) {
  if (!failed_) co_return failed_;
  if (settled_) co_return fail(Code::kInvalidArgument, "the shard is committed");
  const Operation operation(core_);
  failed_ = core_->check_open();
  if (failed_) failed_ = check_block(block, crc32c);
  if (!failed_) co_return failed_;
  if (single_write_) {
    whole_ = Buffer(reservation_.header.record_bytes);
    whole_.append(reservation_.header_bytes);
    whole_.append(block);
  } else {
    failed_ = co_await write_block(block);
  }
  if (failed_) block_crcs_.push_back(crc32c);
  co_return failed_;
}

Task<Status> PendingRecord::write_block(ByteView block) {
  const RecordHeader& header = reservation_.header;
  const auto stripe = static_cast<std::uint32_t>(block_crcs_.size());
  std::uint64_t at = header.payload() + layout().block_shard_offset(stripe);
  std::vector<ByteView> pieces;
  if (!header_written_) {
    pieces.push_back(ByteView(reservation_.header_bytes));
    at = header.offset;
  }
  pieces.push_back(block);
  HYDRA_CO_CHECK_OK(co_await core_->logs.write(reservation_.log, std::move(pieces), at));
  if (!header_written_) {
    header_written_ = true;
    reservation_.log->unwritten.erase(header.offset);
  }
  co_return Status();
}

Task<Status> PendingRecord::write_trailer(std::uint64_t sequence) {
  const RecordHeader& header = reservation_.header;
  const Trailer trailer{sequence, sequence, core_->commits.durable_sequence(), block_crcs_};
  const std::uint64_t bytes = trailer_bytes(layout().stripes());
  std::vector<ByteView> pieces;
  Buffer tail;
  if (single_write_) {
    const std::size_t payload_end = whole_.size();
    whole_.resize(payload_end + bytes);
    encode_trailer(reservation_.header_bytes, trailer, whole_.span().subspan(payload_end));
    pieces.push_back(whole_.view());
    HYDRA_CO_CHECK_OK(
        co_await core_->logs.write(reservation_.log, std::move(pieces), header.offset));
    reservation_.log->unwritten.erase(header.offset);
    co_return Status();
  }
  tail = Buffer(bytes);
  tail.resize(bytes);
  encode_trailer(reservation_.header_bytes, trailer, tail.span());
  pieces.push_back(tail.view());
  co_return co_await core_->logs.write(reservation_.log, std::move(pieces), header.end() - bytes);
}

Task<Status> PendingRecord::commit() {
  if (!failed_) co_return failed_;
  if (settled_) co_return fail(Code::kInvalidArgument, "the shard is committed already");
  const Operation operation(core_);
  failed_ = core_->check_open();
  if (failed_ && block_crcs_.size() != layout().stripes())
    failed_ = fail(Code::kInvalidArgument, "the shard is not complete");
  if (failed_) failed_ = co_await wait_for_checkpoint(core_);
  if (!failed_) co_return failed_;

  const std::uint64_t sequence = core_->commits.begin_sequence();
  failed_ = co_await write_trailer(sequence);
  if (!failed_) {
    core_->commits.give_up(sequence);
    co_return failed_;
  }
  auto entry = std::make_shared<IndexEntry>();
  entry->generation = reservation_.header.generation;
  entry->offset = reservation_.header.offset;
  entry->record_bytes = reservation_.header.record_bytes;
  entry->layout = layout();
  entry->order = sequence;
  entry->sequence = sequence;
  entry->block_crcs = block_crcs_;
  settled_ = true;
  whole_ = Buffer();
  failed_ = co_await core_->commits.commit(reservation_, std::move(entry), std::nullopt);
  co_return failed_;
}

void PendingRecord::abandon() {
  settled_ = true;
  const RecordHeader& header = reservation_.header;
  if (!core_->logs.abandon(reservation_))
    core_->commits.retire({header.generation, header.offset, header.record_bytes});
}

Status check_layout(ShardId id, const erasure::Layout& layout) {
  HYDRA_TRY(const erasure::Layout expected, erasure::Layout::of(layout.profile, layout.length));
  if (layout.block_bytes != expected.block_bytes || id.index >= layout.profile.shards())
    return fail(Code::kInvalidArgument, "no such shard of such an extent");
  return {};
}

}  // namespace

Task<Result<std::unique_ptr<PendingShard>>> begin_shard(CorePtr core, ShardId id,
                                                        erasure::Layout layout) {
  const Operation operation(core);
  HYDRA_CO_CHECK_OK(core->check_open());
  HYDRA_CO_CHECK_OK(check_layout(id, layout));
  RecordHeader header;
  header.type = RecordType::kShard;
  header.shard = id;
  header.layout = layout;
  header.shard_bytes = layout.shard_bytes();
  const Purpose purpose = is_reserved(id.extent) ? Purpose::kUpkeep : Purpose::kShard;
  auto place = co_await core->logs.reserve(header, purpose);
  if (!place) {
    if (place.error().code == Code::kNoSpace) core->wake_upkeep.set();  // dead space may be about
    co_return fail(std::move(place).error());
  }
  std::unique_ptr<PendingShard> pending = std::make_unique<PendingRecord>(core, std::move(*place));
  co_return pending;
}

Task<Status> free_shard(CorePtr core, ShardId id) {
  const Operation operation(core);
  HYDRA_CO_CHECK_OK(core->check_open());
  HYDRA_CO_CHECK_OK(co_await wait_for_checkpoint(core));
  auto found = core->index.find(id);
  // A row that cannot be read is forgotten as well; its record is dead space.
  if (!found && found.error().code != Code::kCorrupt) co_return fail(std::move(found).error());
  if (found && !*found) co_return Status();

  RecordHeader header;
  header.type = RecordType::kTombstone;
  header.shard = id;
  header.sequence = core->commits.next_sequence();
  auto tombstone = std::make_shared<IndexEntry>();
  tombstone->order = header.sequence;
  tombstone->sequence = header.sequence;
  core->commits.apply(id, std::move(tombstone));

  auto place = co_await core->logs.reserve(header, Purpose::kUpkeep);
  // With no room even for that, the checkpoint alone forgets the shard: a crash before it brings it
  // back.
  if (!place && place.error().code == Code::kNoSpace) co_return Status();
  if (!place) co_return fail(std::move(place).error());
  std::vector<ByteView> pieces{ByteView(place->header_bytes)};
  auto written = co_await core->logs.write(place->log, std::move(pieces), place->header.offset);
  if (written) place->log->unwritten.erase(place->header.offset);
  place->log->open.erase(place->header.offset);
  co_return written;
}

}  // namespace hydra::agent
