#include "gateway/heal/scrub.h"

#include <algorithm>

#include "base/log.h"
#include "erasure/layout.h"

namespace hydra::heal {

namespace {

constexpr Nanos kIdle = kSecond;
constexpr Nanos kSecondLook = kSecond;  // after a device did not read
constexpr Nanos kMeasure = 10 * kSecond;
constexpr std::size_t kLook = 64;  // rows of the catalog in one go, dead ones too

std::uint64_t shard_bytes(const catalog::Extent& extent) {
  const auto layout = erasure::Layout::of(extent.profile, extent.length);
  return layout ? layout->shard_bytes() : 0;
}

std::uint64_t held_bytes(const catalog::Extent& extent) {
  return shard_bytes(extent) * extent.nodes.size();
}

// The node itself says that it cannot give the shard back.
bool is_broken(Code code) {
  return code == Code::kNotFound || code == Code::kCorrupt || code == Code::kIo;
}

}  // namespace

Scrub::Scrub(Loop& loop, agent::Grid& grid, catalog::Catalog& catalog, ScrubOptions options,
             std::function<bool()> may_work)
    : loop_(loop),
      grid_(grid),
      catalog_(catalog),
      options_(options),
      may_work_(std::move(may_work)) {}

Task<void> Scrub::run(Scrub* self) {
  for (;;) {
    const Status status = co_await self->turn();
    const auto code = status ? std::nullopt : std::optional(status.error().code);
    if (code && self->complained_ != code)
      log::warning("the scrub cannot go on: {}", status.error().to_string());
    self->complained_ = code;
    const bool idle = !status || !self->loaded_ || self->row_.started_ms == 0;
    if (idle) co_await sleep_for(self->loop_, kIdle);
  }
}

// A few extents, or the beginning of a pass, or nothing.
Task<Status> Scrub::turn() {
  if (!may_work_()) {
    loaded_ = false;
    co_return Status();
  }
  if (!loaded_) {
    HYDRA_CO_TRY(const auto known, catalog_.walk(kScrubWalk));
    row_ = known.value_or(catalog::WalkRow());
    loaded_ = true;
    measured_at_ = 0;
  }
  if (row_.started_ms == 0) {
    if (!asked_ && (options_.period_ms == 0 || loop_.wall_ms() < next_start_ms()))
      co_return Status();
    co_return co_await begin_pass();
  }
  if (asked_) {
    asked_ = false;
    row_.hurried = true;
    free_at_ = loop_.now();
  }
  bool end = false;
  HYDRA_CO_TRY(const Extents extents, next_extents(end));
  TaskGroup group(loop_);
  reported_ = Status();
  std::uint64_t done = 0;
  bool stopped = false;
  std::optional<ExtentId> last;
  for (const auto& extent : extents) {
    free_at_ = std::max(free_at_, loop_.now()) + time_for(extent);
    group.spawn(verify_extent(this, &extent));
    done += extent.length;
    last = extent.id;
    // In short sleeps, so that somebody who is in a hurry need not wait.
    while (free_at_ > loop_.now() && !asked_ && !stopped) {
      co_await sleep_until(loop_, std::min(free_at_, loop_.now() + kIdle));
      stopped = !may_work_();
    }
    if (stopped) break;
  }
  co_await group.join();
  HYDRA_CO_CHECK_OK(reported_);
  if (last) row_.cursor = last;
  row_.done_bytes += done;
  measure();
  if (stopped || !may_work_()) co_return Status();
  if (end) co_return co_await end_pass();
  if (loop_.now() - saved_at_ >= options_.save_interval) co_return co_await save();
  co_return Status();
}

std::int64_t Scrub::next_start_ms() const {
  if (row_.last_finished_ms == 0) return 0;
  return std::max(row_.last_finished_ms, row_.last_started_ms + options_.period_ms);
}

Task<Status> Scrub::begin_pass() {
  HYDRA_CO_TRY(const auto totals, catalog_.totals());
  row_.cursor.reset();
  row_.started_ms = std::max<std::int64_t>(loop_.wall_ms(), 1);
  row_.hurried = std::exchange(asked_, false);
  row_.planned_bytes = totals.extent_bytes;
  row_.done_bytes = 0;
  row_.counts = {};
  free_at_ = loop_.now();
  measured_at_ = 0;
  Status saved = co_await save();
  if (!saved) asked_ = asked_ || row_.hurried;
  co_return saved;
}

Task<Status> Scrub::end_pass() {
  row_.last_started_ms = std::exchange(row_.started_ms, 0);
  row_.last_finished_ms = loop_.wall_ms();
  row_.last_counts = std::exchange(row_.counts, {});
  row_.cursor.reset();
  row_.hurried = false;
  const auto& found = row_.last_counts;
  log::info("a scrub has verified {} shards: {} were broken, {} could not be asked for",
            found.shards, found.broken, found.unreachable);
  co_return co_await save();
}

Task<Status> Scrub::save() {
  saved_at_ = loop_.now();
  Status saved = co_await catalog_.put_walk(loop_, kScrubWalk, row_);
  // Nobody knows what the catalog has now; look, before anything is built on it.
  if (!saved) loaded_ = false;
  co_return saved;
}

Result<Scrub::Extents> Scrub::next_extents(bool& end) {
  Extents extents;
  std::optional<ExtentId> after = row_.cursor;
  for (;;) {
    HYDRA_TRY(auto page, catalog_.walk_extents(after, kLook));
    for (auto& item : page.items) {
      if (birth_ms(item.extent.id) >= row_.started_ms) {
        end = true;
        return extents;
      }
      extents.push_back(std::move(item.extent));
      if (extents.size() == options_.at_once) return extents;
    }
    if (!page.next) break;
    after = page.next;
    if (extents.empty()) row_.cursor = after;  // all dead
  }
  end = true;
  return extents;
}

Nanos Scrub::time_for(const catalog::Extent& extent) const {
  const auto bytes = static_cast<double>(held_bytes(extent));
  auto rate = static_cast<double>(options_.ceiling);
  const std::int64_t left_ms = row_.started_ms + options_.period_ms - loop_.wall_ms();
  if (!row_.hurried && left_ms > 0 && extent.length > 0) {
    const std::uint64_t left = row_.planned_bytes - std::min(row_.planned_bytes, row_.done_bytes);
    const double extents_per_second =
        static_cast<double>(left) * 1000 / static_cast<double>(left_ms);
    rate = extents_per_second * bytes / static_cast<double>(extent.length);
  }
  rate = std::min(std::max(rate, static_cast<double>(options_.floor)),
                  static_cast<double>(std::max<std::uint64_t>(options_.ceiling, 1)));
  return static_cast<Nanos>(bytes / rate * static_cast<double>(kSecond));
}

Task<void> Scrub::verify_extent(Scrub* self, const catalog::Extent* extent) {
  std::vector<catalog::ShardReport> broken;
  TaskGroup shards(self->loop_);
  for (std::size_t i = 0; i < extent->nodes.size(); ++i)
    if (!extent->lacks(i)) shards.spawn(verify_shard(self, extent, i, &broken));
  co_await shards.join();
  if (broken.empty()) co_return;
  const auto news = co_await self->catalog_.report_missing(self->loop_, broken);
  if (!news) {
    self->reported_ = fail(news.error());
    co_return;
  }
  // What has moved or died since is no damage.
  self->row_.counts.broken += *news;
  if (*news > 0)
    log::warning("the scrub found {} broken shards of extent {}", *news, extent->id.to_string());
}

Task<void> Scrub::verify_shard(Scrub* self, const catalog::Extent* extent, std::size_t index,
                               std::vector<catalog::ShardReport>* broken) {
  const NodeId node = extent->nodes[index];
  const ShardId shard = extent->shard(index);
  Status whole = fail(Code::kUnavailable);
  if (self->grid_.usable(node)) {
    const Deadline deadline = self->loop_.after(self->options_.timeout);
    whole = co_await self->grid_.verify(node, shard, deadline);
    if (!whole && whole.error().code == Code::kIo) {
      co_await sleep_for(self->loop_, kSecondLook);
      whole = co_await self->grid_.verify(node, shard, deadline);
    }
  }
  auto& counts = self->row_.counts;
  if (whole || is_broken(whole.error().code)) {
    ++counts.shards;
    counts.bytes += shard_bytes(*extent);
    if (!whole) broken->push_back({node, shard});
  } else {
    ++counts.unreachable;
  }
}

void Scrub::measure() {
  const Nanos now = loop_.now();
  if (measured_at_ != 0 && now - measured_at_ < kMeasure) return;
  if (measured_at_ != 0) {
    const double seconds = static_cast<double>(now - measured_at_) / kSecond;
    bytes_per_second_ = static_cast<double>(row_.counts.bytes - measured_bytes_) / seconds;
    done_per_second_ = static_cast<double>(row_.done_bytes - measured_done_) / seconds;
  }
  measured_at_ = now;
  measured_bytes_ = row_.counts.bytes;
  measured_done_ = row_.done_bytes;
}

ScrubStatus Scrub::status() const {
  ScrubStatus status;
  status.row = row_;
  // What another gateway has done meanwhile stands in the catalog only.
  if (!loaded_) {
    const auto known = catalog_.walk(kScrubWalk);
    if (known && *known) status.row = **known;
  }
  const catalog::WalkRow& row = status.row;
  status.working = loaded_ && row.started_ms != 0;
  if (row.started_ms == 0) {
    if (options_.period_ms != 0) status.next_start_ms = next_start_ms();
    return status;
  }
  const std::uint64_t done = std::min(row.done_bytes, row.planned_bytes);
  if (row.planned_bytes > 0)
    status.progress = static_cast<double>(done) / static_cast<double>(row.planned_bytes);
  if (!status.working) return status;
  status.bytes_per_second = static_cast<std::uint64_t>(bytes_per_second_);
  if (done_per_second_ > 0)
    status.expected_end_ms =
        loop_.wall_ms() + static_cast<std::int64_t>(static_cast<double>(row.planned_bytes - done) *
                                                    1000 / done_per_second_);
  return status;
}

}  // namespace hydra::heal
