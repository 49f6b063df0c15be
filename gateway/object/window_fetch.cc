#include "gateway/object/window_fetch.h"

#include <algorithm>

#include "gateway/object/read_cache.h"

namespace hydra::object {

namespace {
// An agent whose link was cut dials again, with pauses of up to three seconds between its attempts.
constexpr Nanos kLinkPatience = 8 * kSecond;
constexpr Nanos kLinkPause = 50 * kMillisecond;
// What is opened at a time is sent while it is in the processor's cache.
constexpr std::uint64_t kCachedViewBytes = 256u << 10;
}  // namespace

WindowFetch::WindowFetch(Loop& loop, agent::Grid& grid, FetchTimes times, bool may_hedge,
                         const catalog::Extent& extent, std::uint64_t offset, std::uint64_t length,
                         heal::BrokenShards* broken)
    : loop_(loop),
      grid_(grid),
      times_(times),
      may_hedge_(may_hedge),
      extent_(extent),
      broken_(broken),
      offset_(offset),
      length_(length),
      progress_(loop),
      done_(loop) {
  auto layout = erasure::Layout::of(extent.profile, extent.length);
  HYDRA_ASSERT(layout.has_value());
  layout_ = *layout;
  pieces_ = layout_.pieces(offset, length);
  union_ = {UINT64_MAX, 0};
  for (const auto& piece : pieces_) {
    const std::uint64_t begin = layout_.block_shard_offset(piece.stripe) + piece.offset_in_block;
    const Columns columns{begin, begin + piece.length};
    union_ = {std::min(union_.begin, columns.begin), std::max(union_.end, columns.end)};
    const auto need = std::find_if(needs_.begin(), needs_.end(),
                                   [&](const Need& n) { return n.index == piece.index; });
    // A shard's blocks of neighbouring stripes lie end to end, so its pieces make one range.
    if (need == needs_.end())
      needs_.push_back({piece.index, columns});
    else
      need->columns.end = columns.end;
  }
}

void WindowFetch::start() { loop_.spawn(run(shared_from_this())); }

Task<Status> WindowFetch::wait() {
  co_await done_.wait();
  co_return result_;
}

Task<void> WindowFetch::run(std::shared_ptr<WindowFetch> self) {
  self->result_ = co_await self->collect();
  self->done_.set();
}

void WindowFetch::begin_read(std::uint8_t index, Columns columns) {
  reads_.push_back(std::make_unique<Read>(Read{index, columns, State::kReading, false, {}}));
  loop_.spawn(read(shared_from_this(), reads_.size() - 1));
}

Task<void> WindowFetch::read(std::shared_ptr<WindowFetch> self, std::size_t slot) {
  Read& read = *self->reads_[slot];
  auto bytes = co_await self->grid_.read(
      self->extent_.nodes[read.index], self->extent_.shard(read.index), read.columns.begin,
      read.columns.end - read.columns.begin, self->loop_.after(self->times_.timeout));
  if (bytes && bytes->size() == read.columns.end - read.columns.begin) {
    read.bytes = std::move(*bytes);
    read.state = State::kRead;
  } else {
    self->last_error_ =
        bytes ? Error{Code::kCorrupt, "a shard is shorter than its extent says"} : bytes.error();
    read.state = State::kFailed;
    read.away = self->last_error_->code == Code::kUnavailable;
    const Code code = self->last_error_->code;
    if (self->broken_ != nullptr && (code == Code::kNotFound || code == Code::kCorrupt))
      self->broken_->report(self->extent_.nodes[read.index], self->extent_.shard(read.index),
                            heal::Breakage::kLost);
  }
  self->progress_.set();
}

const WindowFetch::Read* WindowFetch::find(std::uint8_t index, const Columns& columns,
                                           State state) const {
  for (const auto& read : reads_)
    if (read->index == index && read->state == state && read->columns.covers(columns))
      return read.get();
  return nullptr;
}

bool WindowFetch::all_needs_met() const {
  return std::all_of(needs_.begin(), needs_.end(), [this](const Need& need) {
    return find(need.index, need.columns, State::kRead) != nullptr;
  });
}

bool WindowFetch::any_failed() const {
  return std::any_of(reads_.begin(), reads_.end(),
                     [](const auto& read) { return read->state == State::kFailed; });
}

// How many shards have a read of the union of all needed columns in that state.
std::size_t WindowFetch::with_union(State state) const {
  std::size_t count = 0;
  for (int i = 0; i < extent_.profile.shards(); ++i)
    count += find(static_cast<std::uint8_t>(i), union_, state) != nullptr;
  return count;
}

// Asks one more shard for the union of columns: those of nodes that are quick first, then those of
// nodes that answer, then any that is recorded.
bool WindowFetch::begin_other() {
  for (const Choice least : {Choice::kQuick, Choice::kAnswers, Choice::kRecorded})
    for (int i = 0; i < extent_.profile.shards(); ++i) {
      const auto index = static_cast<std::uint8_t>(i);
      if (choices_[index] < least && !(least == Choice::kQuick && is_quick(index))) continue;
      const bool tried = std::any_of(reads_.begin(), reads_.end(), [&](const auto& read) {
        return read->index == index &&
               (read->columns.covers(union_) || read->state == State::kFailed);
      });
      if (tried) continue;
      begin_read(index, union_);
      return true;
    }
  return false;
}

void WindowFetch::look_at_nodes() {
  choices_.reserve(extent_.nodes.size());
  for (int i = 0; i < extent_.profile.shards(); ++i) {
    const auto index = static_cast<std::size_t>(i);
    choices_.push_back(extent_.lacks(index)                 ? Choice::kNone
                       : grid_.usable(extent_.nodes[index]) ? Choice::kAnswers
                                                            : Choice::kRecorded);
  }
}

// Asking twice about a node does no harm, but a probe is only granted once.
bool WindowFetch::is_quick(std::size_t index) {
  Choice& choice = choices_[index];
  if (choice == Choice::kAnswers && grid_.ask_first(extent_.nodes[index])) choice = Choice::kQuick;
  return choice == Choice::kQuick;
}

// Waits until a node that was asked in vain can be reached again, and forgets that it was asked.
Task<bool> WindowFetch::node_came_back(Deadline patience) {
  for (;;) {
    if (loop_.now() >= patience.at) co_return false;
    co_await sleep_for(loop_, kLinkPause);
    const auto back = std::erase_if(reads_, [this](const auto& read) {
      return read->away && grid_.usable(extent_.nodes[read->index]);
    });
    if (back > 0) co_return true;
  }
}

Task<Status> WindowFetch::collect() {
  if (cache_ != nullptr) {
    cached_ = co_await cache_->read(extent_.id, offset_, length_);
    if (cached_) co_return Status();
  }
  look_at_nodes();
  const bool plain = std::all_of(needs_.begin(), needs_.end(),
                                 [this](const Need& need) { return is_quick(need.index); });
  if (plain) {
    for (const auto& need : needs_) begin_read(need.index, need.columns);
    Nanos patience = times_.hedge_after;
    for (const auto& need : needs_)
      patience = std::max(patience, grid_.latency_p95(extent_.nodes[need.index]));
    const Deadline slow = may_hedge_ ? loop_.after(patience) : Deadline::never();
    while (!all_needs_met() && !any_failed()) {
      progress_.reset();
      if (co_await progress_.wait(slow)) continue;
      hedged_ = true;
      break;
    }
    if (all_needs_met()) co_return Status();
  }
  const std::size_t k = extent_.profile.k;
  // A slow read counts as lost while others are asked, but is used if it comes first after all.
  const std::size_t slow = hedged_ ? with_union(State::kReading) : 0;
  std::optional<Deadline> patience;
  for (;;) {
    if (all_needs_met()) co_return Status();
    const std::size_t have = with_union(State::kRead);
    if (have >= k) co_return decode();
    const std::size_t reading = with_union(State::kReading);
    if (have + reading < k + slow && begin_other()) continue;
    if (reading == 0 && std::none_of(reads_.begin(), reads_.end(), [](const auto& read) {
          return read->state == State::kReading;
        })) {
      if (!patience) patience = loop_.after(kLinkPatience);
      if (co_await node_came_back(*patience)) continue;
      co_return fail(Code::kUnavailable,
                     "too few shards can be read: " +
                         (last_error_ ? last_error_->to_string() : std::string("nodes are away")));
    }
    progress_.reset();
    co_await progress_.wait();
  }
}

Status WindowFetch::decode() {
  degraded_ = true;
  std::vector<erasure::Shard> present;
  for (int i = 0; i < extent_.profile.shards(); ++i) {
    const auto index = static_cast<std::uint8_t>(i);
    const Read* read = find(index, union_, State::kRead);
    if (read == nullptr || present.size() == extent_.profile.k) continue;
    present.push_back({index, read->bytes.view().subspan(union_.begin - read->columns.begin,
                                                         union_.end - union_.begin)});
  }
  std::vector<erasure::MissingShard> missing;
  for (const auto& need : needs_) {
    if (find(need.index, need.columns, State::kRead) != nullptr) continue;
    auto rebuilt = std::make_unique<Read>(Read{need.index, union_, State::kRead, false, {}});
    rebuilt->bytes = Buffer(union_.end - union_.begin);
    rebuilt->bytes.resize(rebuilt->bytes.capacity());
    missing.push_back({need.index, rebuilt->bytes.span()});
    reads_.push_back(std::move(rebuilt));
  }
  return erasure::codec_for(extent_.profile).reconstruct(present, missing);
}

void WindowFetch::offer_to_cache() const {
  if (cache_ != nullptr && !cached_) cache_->offer(extent_, offset_, views());
}

std::vector<ByteView> WindowFetch::views() const {
  if (cached_) {  // in views of a data block's size, as below
    std::vector<ByteView> out;
    for (std::size_t at = 0; at < length_; at += kCachedViewBytes)
      out.push_back(cached_->view().subspan(at, std::min(kCachedViewBytes, length_ - at)));
    return out;
  }
  std::vector<ByteView> out;
  out.reserve(pieces_.size());
  for (const auto& piece : pieces_) {
    const std::uint64_t begin = layout_.block_shard_offset(piece.stripe) + piece.offset_in_block;
    const Read* read = find(piece.index, {begin, begin + piece.length}, State::kRead);
    HYDRA_ASSERT(read != nullptr);
    out.push_back(read->bytes.view().subspan(begin - read->columns.begin, piece.length));
  }
  return out;
}

}  // namespace hydra::object
