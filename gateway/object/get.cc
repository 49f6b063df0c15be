// The way of a GET, the mirror of put.cc: catalog -> slices -> choose blocks -> fetch, hedge,
// verify, decode -> open
// -> send. The catalog gave the plan; the stages from `choose blocks` to `decode` are
// WindowFetch's. While one window is opened and sent the next one is on its way.
#include <algorithm>
#include <vector>

#include "gateway/object/object_store.h"
#include "gateway/object/segment_format.h"
#include "gateway/object/segment_rescue.h"
#include "gateway/object/window_fetch.h"

namespace hydra::object {

namespace {

// Plaintext is sent as soon as so much was opened: it is then still in the processor's cache.
constexpr std::size_t kSendBytes = 192u << 10;

// A run of one extent's ciphertext that is fetched at once.
struct Window {
  const catalog::Extent* extent;
  std::uint64_t offset;
  std::uint64_t length;
};

// Cuts the sealed bytes [begin, end) of a body into windows that end where stripes end.
Result<std::vector<Window>> windows_of(const catalog::ReadPlan& plan,
                                       const catalog::ReadPlan::Run& run, std::uint64_t begin,
                                       std::uint64_t end) {
  std::vector<Window> windows;
  windows.reserve((end - begin) / kWindowBytes + 2);
  std::uint64_t piece_begin = 0;
  for (const auto& piece : run.pieces) {
    const std::uint64_t from = std::max(begin, piece_begin);
    const std::uint64_t to = std::min(end, piece_begin + piece.length);
    if (from < to) {
      if (piece.hole()) return fail(Code::kCorrupt, "a slice of the body lies in a hole");
      const auto extent =
          std::find_if(plan.extents.begin(), plan.extents.end(),
                       [&](const catalog::Extent& e) { return e.id == piece.extent; });
      if (extent == plan.extents.end())
        return fail(Code::kInternal, "the read plan lacks extent " + piece.extent.to_string());
      std::uint64_t at = piece.offset + (from - piece_begin);
      const std::uint64_t stop = piece.offset + (to - piece_begin);
      while (at < stop) {
        const std::uint64_t next = std::min(stop, (at / kWindowBytes + 1) * kWindowBytes);
        windows.push_back({&*extent, at, next - at});
        at = next;
      }
    }
    piece_begin += piece.length;
  }
  std::uint64_t covered = 0;
  for (const auto& window : windows) covered += window.length;
  if (covered != end - begin)
    return fail(Code::kCorrupt, "the body's extents do not cover the range");
  return windows;
}

}  // namespace

// Opens sealed segments that arrive as a sequence of views, and cuts the plaintext to the slice.
class SegmentOpener {
 public:
  SegmentOpener(const catalog::ReadPlan::Run& run, ByteView key)
      : body_(run.slice.body),
        aead_(key),
        plain_bytes_(run.body_plain_bytes),
        begin_(run.slice.offset),
        end_(run.slice.offset + run.slice.length),
        index_(begin_ / kSegmentBytes) {}

  // Takes from `sealed` and appends to `out` (which has room) what it completes. kCorrupt: the next
  // segment's tag does not hold; its bytes are taken, too, and open_segment must get the right
  // ones.
  Status open(ByteView& sealed, Buffer& out) {
    while (!sealed.empty()) {
      const std::size_t want = sealed_segment_bytes();
      if (held_.empty() && sealed.size() >= want) {
        const ByteView segment = sealed.first(want);
        sealed = sealed.subspan(want);
        HYDRA_CHECK_OK(open_segment(segment, out));
        continue;
      }
      if (held_.capacity() == 0) held_ = Buffer(kSealedSegmentBytes);
      const std::size_t now = std::min(sealed.size(), want - held_.size());
      held_.append(sealed.first(now));
      sealed = sealed.subspan(now);
      if (held_.size() < want) break;
      const Status opened = open_segment(held_.view(), out);
      held_.resize(0);
      HYDRA_CHECK_OK(opened);
    }
    return {};
  }
  // Which segment comes next.
  std::uint64_t index() const { return index_; }
  std::size_t sealed_segment_bytes() const {
    const std::uint64_t left = plain_bytes_ - index_ * kSegmentBytes;
    return std::min(left, kSegmentBytes) + kGcmTagBytes;
  }
  Status open_segment(ByteView sealed, Buffer& out) {
    const std::uint64_t start = index_ * kSegmentBytes;
    const std::uint64_t plain = sealed.size() - kGcmTagBytes;
    const std::size_t at = out.size();
    out.resize(at + plain);
    Status opened =
        aead_.open(segment_nonce(index_), segment_aad(body_, index_, start + plain == plain_bytes_),
                   sealed, out.span().subspan(at));
    if (!opened) {
      out.resize(at);
      return opened;
    }
    const std::uint64_t skip = begin_ > start ? begin_ - start : 0;
    const std::uint64_t stop = std::min(plain, end_ - start);
    if (skip > 0) std::memmove(out.data() + at, out.data() + at + skip, stop - skip);
    out.resize(at + stop - skip);
    ++index_;
    return {};
  }

 private:
  BodyId body_;
  Aead aead_;
  std::uint64_t plain_bytes_;
  std::uint64_t begin_, end_;  // of the slice, in the body's plaintext
  std::uint64_t index_;
  Buffer held_;
};

namespace {
// Reads the next segment from the shards, and not from where it came before.
Task<Status> fetch_next_again(Loop& loop, agent::Grid& grid, FetchTimes times,
                              const std::vector<Window>& windows, heal::BrokenShards* broken,
                              SegmentOpener& opener, Buffer& plain) {
  Buffer sealed(opener.sealed_segment_bytes());
  for (const Window& window : windows) {
    const auto fetch = std::make_shared<WindowFetch>(loop, grid, times, false, *window.extent,
                                                     window.offset, window.length, broken);
    fetch->start();
    HYDRA_CO_CHECK_OK(co_await fetch->wait());
    for (const ByteView view : fetch->views()) sealed.append(view);
  }
  co_return opener.open_segment(sealed.view(), plain);
}
}  // namespace

// The next segment's tag does not hold: looks for shards that give one whose tag does. It may have
// come from the cache, if anything did.
Task<Status> ObjectStore::rescue_next(const catalog::ReadPlan& plan,
                                      const catalog::ReadPlan::Run& run, bool cached,
                                      SegmentOpener& opener, Buffer& plain) {
  const std::uint64_t begin = opener.index() * kSealedSegmentBytes;
  HYDRA_CO_TRY(const auto windows,
               windows_of(plan, run, begin, begin + opener.sealed_segment_bytes()));
  heal::BrokenShards* const broken = notices_ == nullptr ? nullptr : &notices_->broken;
  if (cached) {
    for (const Window& window : windows) cache_.distrust(window.extent->id, window.offset);
    Status again =
        co_await fetch_next_again(loop_, grid_, fetch_times(), windows, broken, opener, plain);
    if (again || again.error().code != Code::kCorrupt) co_return again;
  }
  std::vector<SegmentPart> parts;
  for (const Window& window : windows)
    parts.push_back({window.extent, window.offset, window.length});
  HYDRA_CO_CHECK_OK(co_await rescue_segment(
      loop_, grid_, options_.read_timeout, std::move(parts),
      [&](ByteView sealed) { return opener.open_segment(sealed, plain).has_value(); }, broken));
  ++counters_.rescued_segments;
  co_return Status();
}

Task<Status> ObjectStore::send(const catalog::ReadPlan& plan, ByteSink& sink) {
  LongRead read{loop_.now() + options_.hold_after};
  for (const auto& run : plan.runs) HYDRA_CO_CHECK_OK(co_await send_run(plan, run, read, sink));
  co_return Status();
}

Task<Status> ObjectStore::send_run(const catalog::ReadPlan& plan, const catalog::ReadPlan::Run& run,
                                   LongRead& read, ByteSink& sink) {
  HYDRA_CO_TRY(DataKey key, keys_.unwrap(run.slice.body, run.slice.key));
  SegmentOpener opener(run, key);
  secure_clear(key);
  const std::uint64_t first = run.slice.offset / kSegmentBytes;
  const std::uint64_t last = (run.slice.offset + run.slice.length - 1) / kSegmentBytes;
  const std::uint64_t begin = first * kSealedSegmentBytes;
  const std::uint64_t end =
      std::min((last + 1) * kSealedSegmentBytes, sealed_bytes(run.body_plain_bytes));
  HYDRA_CO_TRY(const auto windows, windows_of(plan, run, begin, end));
  std::size_t started = 0;

  // Two windows and the plaintext of one.
  const std::size_t most = std::min(end - begin, kWindowBytes + kSealedSegmentBytes);
  auto hold = co_await budget_.acquire(3 * most, loop_.after(options_.budget_wait));
  if (!hold) co_return fail(Code::kSlowDown, "too much data is in flight");

  const auto begin_fetch = [&] {
    if (!read.hold && loop_.now() >= read.hold_at) read.hold = catalog_.held().hold(plan.extents);
    const Window& window = windows[started++];
    ++counters_.reads;
    const bool may_hedge = counters_.hedged_reads * 20 <= counters_.reads;
    auto fetch = std::make_shared<WindowFetch>(loop_, grid_, fetch_times(), may_hedge,
                                               *window.extent, window.offset, window.length,
                                               notices_ == nullptr ? nullptr : &notices_->broken);
    if (cache_.present()) fetch->ask_first(cache_);
    fetch->start();
    return fetch;
  };
  Buffer plain(most);
  auto next = begin_fetch();
  bool cached = false;  // anything so far
  while (next != nullptr) {
    auto fetch = std::exchange(next, nullptr);
    if (started < windows.size()) next = begin_fetch();
    HYDRA_CO_CHECK_OK(co_await fetch->wait());
    counters_.hedged_reads += fetch->hedged();
    counters_.degraded_reads += fetch->degraded();
    cached = cached || fetch->from_cache();
    bool right = true;
    plain.resize(0);
    for (ByteView view : fetch->views()) {
      while (!view.empty()) {
        Status opened = opener.open(view, plain);
        if (!opened && opened.error().code == Code::kCorrupt) {
          right = false;
          opened = co_await rescue_next(plan, run, cached, opener, plain);
        }
        HYDRA_CO_CHECK_OK(std::move(opened));
      }
      if (plain.size() < kSendBytes) continue;
      HYDRA_CO_CHECK_OK(co_await sink.write(plain.view()));
      plain.resize(0);
    }
    if (right) fetch->offer_to_cache();
    fetch.reset();
    if (!plain.empty()) HYDRA_CO_CHECK_OK(co_await sink.write(plain.view()));
  }
  co_return Status();
}

}  // namespace hydra::object
