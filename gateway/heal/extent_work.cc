#include "gateway/heal/extent_work.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/runtime/new_id.h"
#include "erasure/codec.h"
#include "gateway/catalog/ledger.h"

namespace hydra::heal {

namespace {

// Cuts a run of bytes into the stripes of a layout, and encodes each that is full.
class StripeEncoder {
 public:
  explicit StripeEncoder(const erasure::Layout& layout) : layout_(layout) { begin(); }

  // Takes as much as the stripe still needs.
  ByteView take(ByteView bytes) {
    const std::size_t now =
        std::min<std::size_t>(bytes.size(), layout_.stripe_data_bytes(stripe_) - fill_);
    std::memcpy(memory_.data() + fill_, bytes.data(), now);
    fill_ += now;
    return bytes.subspan(now);
  }
  bool full() const { return fill_ == layout_.stripe_data_bytes(stripe_); }
  bool last() const { return stripe_ + 1 == layout_.stripes(); }
  // Of the full stripe: data and parity blocks, valid until next().
  std::vector<ByteView> blocks() {
    const std::size_t size = layout_.block_size(stripe_);
    const std::size_t k = layout_.profile.k;
    std::memset(memory_.data() + fill_, 0, size * k - fill_);
    std::vector<ByteView> all, data;
    std::vector<MutableBytes> parity;
    for (std::size_t i = 0; i < static_cast<std::size_t>(layout_.profile.shards()); ++i) {
      const MutableBytes block = memory_.span().subspan(i * size, size);
      if (i < k)
        data.push_back(block);
      else
        parity.push_back(block);
      all.push_back(block);
    }
    erasure::codec_for(layout_.profile).encode(data, parity);
    return all;
  }
  void next() {
    ++stripe_;
    fill_ = 0;
    begin();
  }

 private:
  void begin() {
    const std::size_t bytes = std::size_t{layout_.block_size(stripe_)} *
                              static_cast<std::size_t>(layout_.profile.shards());
    if (memory_.capacity() < bytes) memory_ = Buffer(bytes);
    memory_.resize(bytes);
  }

  erasure::Layout layout_;
  std::uint32_t stripe_ = 0;
  std::size_t fill_ = 0;
  Buffer memory_;
};

erasure::Layout layout_of(const catalog::Extent& extent) {
  const auto layout = erasure::Layout::of(extent.profile, extent.length);
  HYDRA_ASSERT(layout.has_value());
  return *layout;
}

std::uint32_t all_shards(const catalog::Extent& extent) {
  return static_cast<std::uint32_t>((std::uint64_t{1} << extent.nodes.size()) - 1);
}

}  // namespace

ExtentWork::Outcome ExtentWork::blocked(std::string why) {
  why_ = std::move(why);
  return Outcome::kBlocked;
}

Task<Result<ExtentWork::Outcome>> ExtentWork::run(catalog::RepairRow row) {
  auto extent = tools_.catalog.extent(row.extent);
  if (!extent && extent.error().code == Code::kNotFound) co_return Outcome::kNothing;
  if (!extent) co_return fail(extent.error());
  const Needs found = needs(*extent, *facts_, wishes_);
  if (found.rank == catalog::kNoRank) co_return co_await nothing(*extent, row);
  if (found.compact) {
    HYDRA_CO_TRY(const Outcome outcome, co_await compact(*extent));
    // What cannot be written anew can perhaps be mended as it is.
    if (outcome != Outcome::kBlocked || (!found.reencode && (found.rebuild | found.move) == 0))
      co_return outcome;
  }
  if (found.reencode) {
    HYDRA_CO_TRY(const Outcome outcome, co_await reencode(*extent, *found.reencode));
    if (outcome != Outcome::kBlocked || (found.rebuild | found.move) == 0) co_return outcome;
  }
  for (;;) {
    const std::size_t refused = refused_.size();
    HYDRA_CO_TRY(const Outcome outcome, co_await rebuild(*extent, found));
    if (outcome != Outcome::kBlocked || refused_.size() == refused) co_return outcome;
  }
}

Task<Result<ExtentWork::Outcome>> ExtentWork::nothing(const catalog::Extent& extent,
                                                      const catalog::RepairRow& row) {
  if (row.rank == catalog::own_rank(extent))
    co_return blocked("more nodes are needed for profile " + extent.wanted.to_string());
  HYDRA_CO_CHECK_OK(co_await tools_.catalog.enqueue(tools_.loop, {{extent.id, catalog::kNoRank}}));
  co_return Outcome::kNothing;
}

Result<NodeId> ExtentWork::choose_target(const catalog::Extent& extent, const Needs& needs,
                                         const std::vector<NodeId>& taken,
                                         std::size_t index) const {
  if (!needs.targets.empty() && needs.targets[index] != 0) return needs.targets[index];
  if (extent.lacks(index) && takes(extent.nodes[index])) return extent.nodes[index];
  if (facts_->placement == nullptr) return fail(Code::kUnavailable, "there is no ring yet");
  const auto row =
      facts_->placement->ring.nodes(extent.profile, placement::arc_of(extent.id.view()));
  if (index < row.size() && takes(row[index]) &&
      std::ranges::find(taken, row[index]) == taken.end())
    return row[index];
  // Nodes that lately failed get new shards only where there is no other.
  const auto choose = [&](bool proven) {
    return placement::choose_substitute(
        facts_->placement->map, extent.profile, extent.id.view(), taken, index,
        [&](NodeId node) { return takes(node) && (!proven || tools_.grid.takes_new(node)); });
  };
  const auto proven = choose(true);
  return proven ? proven : choose(false);
}

std::vector<ExtentWork::Job> ExtentWork::choose_targets(const catalog::Extent& extent,
                                                        const Needs& needs) const {
  std::vector<Job> jobs;
  std::vector<NodeId> taken = extent.nodes;
  for (std::size_t i = 0; i < extent.nodes.size(); ++i) {
    if (((needs.rebuild | needs.move) >> i & 1) == 0) continue;
    const auto target = choose_target(extent, needs, taken, i);
    if (!target) continue;
    taken[i] = *target;
    jobs.push_back({static_cast<std::uint8_t>(i), *target});
  }
  return jobs;
}

// A node that comes back may still hold what was rebuilt elsewhere meanwhile. Shards never change,
// so what is whole is right.
Task<void> ExtentWork::find_there(const catalog::Extent& extent, std::vector<Job>& jobs) const {
  const std::uint64_t bytes = layout_of(extent).shard_bytes();
  for (Job& job : jobs) {
    const ShardId shard = extent.shard(job.index);
    const auto info =
        co_await tools_.grid.info(job.target, shard, tools_.loop.after(tools_.timeout));
    if (!info || info->shard_bytes != bytes) continue;
    const Status whole =
        co_await tools_.grid.verify(job.target, shard, tools_.loop.after(tools_.timeout));
    job.there = whole.has_value();
  }
}

Task<Status> ExtentWork::fill(ShardSource& source, ShardFan& fan, const catalog::Extent& extent,
                              const std::vector<Job>& jobs) {
  const erasure::Layout layout = layout_of(extent);
  std::uint32_t wanted = 0;
  for (const Job& job : jobs) wanted |= 1u << job.index;
  for (std::uint32_t stripe = 0; stripe < layout.stripes(); ++stripe) {
    HYDRA_CO_TRY(const auto blocks, co_await source.read(stripe, wanted));
    std::vector<ByteView> views;
    for (const Job& job : jobs) views.push_back(blocks.at(job.index).view());
    co_await fan.send(views, stripe + 1 == layout.stripes());
    if (!fan.any_good()) co_return fail(*fan.last_error());
  }
  co_await fan.verify();
  co_return Status();
}

Task<Result<ExtentWork::Outcome>> ExtentWork::rebuild(const catalog::Extent& extent,
                                                      const Needs& needs) {
  std::vector<Job> all = choose_targets(extent, needs);
  if (all.empty()) co_return blocked("no other node can take a shard");
  co_await find_there(extent, all);
  std::vector<Job> jobs;
  std::vector<ShardFan::Target> targets;
  for (const Job& job : all) {
    if (job.there) continue;
    jobs.push_back(job);
    targets.push_back({job.target, extent.shard(job.index)});
  }

  ShardSource source(tools_.loop, tools_.grid, tools_.pacer, extent, tools_.timeout);
  ShardFan fan(tools_.loop, tools_.grid, tools_.pacer, layout_of(extent), std::move(targets),
               tools_.timeout);
  if (!jobs.empty()) {
    const Status filled = co_await fill(source, fan, extent, jobs);
    if (!filled) {
      for (std::size_t i = 0; i < jobs.size(); ++i)
        if (!fan.good(i)) refused_.insert(jobs[i].target);
      co_await report(source);
      co_return blocked(filled.error().to_string());
    }
  }
  catalog::Extent after = extent;
  std::uint32_t written = 0;
  const auto settle = [&](const Job& job) {
    after.nodes[job.index] = job.target;
    after.missing &= ~(1u << job.index);
  };
  for (const Job& job : all)
    if (job.there) settle(job);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!fan.good(i)) {
      refused_.insert(jobs[i].target);
      continue;
    }
    settle(jobs[i]);
    written |= 1u << jobs[i].index;
    bytes_ += layout_of(extent).shard_bytes();
  }
  for (const auto& broken : source.broken())
    if (after.nodes[broken.shard.index] == broken.node && (written >> broken.shard.index & 1) == 0)
      after.missing |= 1u << broken.shard.index;
  if (after.nodes == extent.nodes && after.missing == extent.missing)
    co_return blocked(fan.last_error() ? fan.last_error()->to_string() : "nothing was gained");
  HYDRA_CO_TRY(const Outcome outcome, co_await swap(extent, after));
  if (outcome == Outcome::kNothing) co_await take_back(after, written);
  co_return outcome;
}

Task<Status> ExtentWork::recode(ShardSource& source, ShardFan& fan, const catalog::Extent& from,
                                const std::vector<catalog::ExtentRange>& ranges,
                                const catalog::Extent& to) {
  const erasure::Layout layout = layout_of(from);
  std::vector<erasure::Piece> pieces;
  for (const auto& range : ranges)
    for (const erasure::Piece& piece : layout.pieces(range.offset, range.length))
      pieces.push_back(piece);
  StripeEncoder encoder(layout_of(to));
  for (auto piece = pieces.begin(); piece != pieces.end();) {
    const auto stripe_end = std::find_if(piece, pieces.end(), [&](const erasure::Piece& other) {
      return other.stripe != piece->stripe;
    });
    std::uint32_t wanted = 0;
    for (auto i = piece; i != stripe_end; ++i) wanted |= 1u << i->index;
    HYDRA_CO_TRY(const auto blocks, co_await source.read(piece->stripe, wanted));
    for (; piece != stripe_end; ++piece) {
      ByteView rest = blocks.at(piece->index).view().subspan(piece->offset_in_block, piece->length);
      while (!rest.empty()) {
        rest = encoder.take(rest);
        if (!encoder.full()) break;
        const bool last = encoder.last();
        co_await fan.send(encoder.blocks(), last);
        if (!fan.any_good()) co_return fail(*fan.last_error());
        if (!last) encoder.next();
      }
    }
  }
  co_await fan.verify();
  co_return Status();
}

Result<placement::Placement> ExtentWork::place(const ExtentId& id, erasure::Profile profile) const {
  if (facts_->placement == nullptr) return fail(Code::kUnavailable, "there is no ring yet");
  return placement::choose_nodes(facts_->placement->ring, facts_->placement->map, profile,
                                 id.view(), [this](NodeId node) { return takes(node); });
}

Task<Status> ExtentWork::write_anew(const catalog::Extent& from,
                                    const std::vector<catalog::ExtentRange>& ranges,
                                    const catalog::Extent& to) {
  std::vector<ShardFan::Target> targets;
  for (std::size_t i = 0; i < to.nodes.size(); ++i) targets.push_back({to.nodes[i], to.shard(i)});
  ShardSource source(tools_.loop, tools_.grid, tools_.pacer, from, tools_.timeout);
  ShardFan fan(tools_.loop, tools_.grid, tools_.pacer, layout_of(to), std::move(targets),
               tools_.timeout);
  Status status = co_await recode(source, fan, from, ranges, to);
  // All of the new shards or none: the old ones may be more than some of the new.
  for (std::size_t i = 0; status && i < to.nodes.size(); ++i)
    if (!fan.good(i)) status = fail(*fan.last_error());
  if (status) {
    bytes_ += layout_of(to).shard_bytes() * to.nodes.size();
    co_return status;
  }
  co_await take_back(to, all_shards(to));
  co_await report(source);
  co_return status;
}

Task<Result<ExtentWork::Outcome>> ExtentWork::reencode(const catalog::Extent& extent,
                                                       erasure::Profile profile) {
  const auto placed = place(extent.id, profile);
  if (!placed || placed->profile != profile)
    co_return blocked("more nodes are needed for profile " + profile.to_string());
  catalog::Extent after = extent;
  after.stored_as = new_id<ExtentId>(tools_.loop);
  after.profile = after.wanted = profile;
  after.nodes = placed->nodes;
  after.missing = 0;
  const auto in_flight = tools_.writes.begin(after.stored_as);
  const Status written = co_await write_anew(extent, {{0, extent.length}}, after);
  if (!written) co_return blocked(written.error().to_string());
  HYDRA_CO_TRY(const Outcome outcome, co_await swap(extent, after));
  if (outcome == Outcome::kNothing) co_await take_back(after, all_shards(after));
  co_return outcome;
}

Task<Result<ExtentWork::Outcome>> ExtentWork::compact(const catalog::Extent& extent) {
  auto live = tools_.catalog.live_extent(extent.id);
  if (!live && live.error().code == Code::kNotFound) co_return Outcome::kNothing;
  if (!live) co_return fail(live.error());
  catalog::Extent into;
  into.id = into.stored_as = new_id<ExtentId>(tools_.loop);
  for (const auto& range : live->ranges) into.length += range.length;
  into.wanted = facts_->wanted_for(into.length);
  const auto placed = place(into.id, into.wanted);
  // It can wait for nodes that are away, unless it had no more of them before.
  if (!placed || (placed->profile != into.wanted && placed->profile.k < live->extent.profile.k))
    co_return blocked("more nodes are needed for profile " + into.wanted.to_string());
  into.profile = placed->profile;
  into.nodes = placed->nodes;
  const auto in_flight = tools_.writes.begin(into.stored_as);
  const Status written = co_await write_anew(live->extent, live->ranges, into);
  if (!written) co_return blocked(written.error().to_string());
  if (!tools_.may_commit()) co_return fail(Code::kConflict, "the healer's lease was lost");
  const Status status =
      co_await tools_.catalog.compact_extent(tools_.loop, extent.id, live->ranges, into);
  if (status) co_return Outcome::kDone;
  const Code code = status.error().code;
  if (code != Code::kConflict && code != Code::kNotFound) co_return fail(status.error());
  co_await take_back(into, all_shards(into));
  co_return Outcome::kNothing;
}

Task<Result<ExtentWork::Outcome>> ExtentWork::swap(const catalog::Extent& before,
                                                   const catalog::Extent& after) {
  if (!tools_.may_commit()) co_return fail(Code::kConflict, "the healer's lease was lost");
  const catalog::ExtentUpdate terms{.strays_due_ms = tools_.loop.wall_ms() + tools_.grace_ms,
                                    .still = needs(after, *facts_, wishes_).rank};
  const Status status = co_await tools_.catalog.update_extent(tools_.loop, before, after, terms);
  if (status) co_return Outcome::kDone;
  const Code code = status.error().code;
  if (code == Code::kConflict || code == Code::kNotFound) co_return Outcome::kNothing;
  co_return fail(status.error());
}

Task<void> ExtentWork::report(const ShardSource& source) {
  if (source.broken().empty()) co_return;
  // What is not recorded now is found again.
  (void)co_await tools_.catalog.report_missing(tools_.loop, source.broken());
}

Task<void> ExtentWork::take_back(const catalog::Extent& written, std::uint32_t shards) {
  const auto owner = tools_.catalog.owners({&written.stored_as, 1});
  if (!owner || !co_await tools_.catalog.settled(tools_.loop)) co_return;
  const auto& row = owner->front();
  for (std::size_t i = 0; i < written.nodes.size(); ++i) {
    if ((shards >> i & 1) == 0) continue;
    if (row && i < row->nodes.size() && row->nodes[i] == written.nodes[i]) continue;
    (void)co_await tools_.grid.free(written.nodes[i], {written.shard(i)},
                                    tools_.loop.after(tools_.timeout));
  }
}

}  // namespace hydra::heal
