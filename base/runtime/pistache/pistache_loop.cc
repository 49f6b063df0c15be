#include "base/runtime/pistache/pistache_loop.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/runtime/pistache/disk.h"
#include "base/runtime/pistache/disk_ring.h"
#include "base/runtime/pistache/net.h"
#include "base/runtime/pistache/system_error.h"

namespace hydra::runtime {

namespace {
// A turn ends after so many rounds of so many resumptions even if more is ready: then sockets get
// their turn.
constexpr int kRoundsPerTurn = 16;
constexpr std::size_t kResumptionsPerRound = 128;

// The loop whose turn this thread is in.
thread_local PistacheLoop* current_loop = nullptr;

std::int64_t clock_nanos(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

void draw(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t count = getrandom(out.data(), out.size(), 0);
    HYDRA_ASSERT(count > 0 || errno == EINTR);
    if (count > 0) out = out.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace

PistacheLoop::PistacheLoop(std::uint32_t index, ThreadPool& pool)
    : Loop(index), pool_(pool), watches_(2) {}  // the first two tags are taken: wake and timer

Result<std::unique_ptr<PistacheLoop>> PistacheLoop::create(std::uint32_t index, ThreadPool& pool,
                                                           bool io_uring) {
  std::unique_ptr<PistacheLoop> loop(new PistacheLoop(index, pool));
  loop->wake_fd_ = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!loop->wake_fd_.valid()) return fail_errno(errno, "eventfd");
  loop->timer_fd_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!loop->timer_fd_.valid()) return fail_errno(errno, "timerfd_create");
  if (io_uring) loop->ring_ = DiskRing::create(*loop);
  loop->net_ = make_net(*loop);
  loop->disk_ = make_disk(*loop);
  return loop;
}

PistacheLoop::~PistacheLoop() { tear_down(); }

Nanos PistacheLoop::now() const { return clock_nanos(CLOCK_MONOTONIC); }
std::int64_t PistacheLoop::wall_ms() const { return clock_nanos(CLOCK_REALTIME) / kMillisecond; }

bool PistacheLoop::on_own_thread() const { return current_loop == this; }

// The eventfd is edge-triggered and never read: each write is one edge.
void PistacheLoop::poke() { (void)eventfd_write(wake_fd_.get(), 1); }

void PistacheLoop::wake() {
  if (!on_own_thread()) poke();  // else the end of this turn sees it
}

void PistacheLoop::post(std::function<void()> fn) {
  std::lock_guard lock(post_mutex_);
  if (torn_down_) return;
  posted_.push_back(std::move(fn));
  has_posted_.store(true, std::memory_order_release);
  if (poked_ || on_own_thread()) return;
  poked_ = true;
  poke();
}

void PistacheLoop::offload(std::function<void()> work, std::function<void()> done) {
  pool_.post([this, work = std::move(work), done = std::move(done)]() mutable {
    work();
    work = nullptr;
    post(std::move(done));
  });
}

std::unique_ptr<Sequencer> PistacheLoop::make_sequencer(std::string_view name) {
  return make_thread_sequencer(name);
}

Loop::TimerId PistacheLoop::call_at(Nanos at, std::function<void()> fn) {
  const TimerId id = timers_.add(at, std::move(fn));
  if (!on_own_thread()) arm_timer();  // else the end of this turn does
  return id;
}

void PistacheLoop::cancel(TimerId id) { timers_.cancel(id); }

// Request ids and the like come from a supply, which spares a system call each. Longer ones may be
// keys: those come straight from the kernel, which notices when a virtual machine was copied.
void PistacheLoop::random(MutableBytes out) {
  if (out.size() <= sizeof(std::uint64_t)) {
    if (undrawn_ < out.size()) {
      draw(drawn_);
      undrawn_ = drawn_.size();
    }
    undrawn_ -= out.size();
    std::memcpy(out.data(), drawn_.data() + undrawn_, out.size());
    return;
  }
  draw(out);
}

std::uint64_t PistacheLoop::tag_of(std::uint32_t token) const {
  const std::uint64_t generation = watches_[token].generation & 0x7fffffffu;
  return kOwnTag | (generation << 32) | token;
}

Result<std::uint32_t> PistacheLoop::watch(int fd, FdWatcher& watcher, bool writes) {
  if (poller_ == nullptr) return fail(Code::kClosed, "the loop has ended");
  if (free_watches_.empty()) {
    free_watches_.push_back(static_cast<std::uint32_t>(watches_.size()));
    watches_.emplace_back();
  }
  const std::uint32_t token = free_watches_.back();
  HYDRA_CHECK_OK(poller_->add(fd, tag_of(token), writes));
  free_watches_.pop_back();
  watches_[token].watcher = &watcher;
  return token;
}

Status PistacheLoop::watch_writes(int fd, std::uint32_t token, bool writes) {
  if (poller_ == nullptr) return fail(Code::kClosed, "the loop has ended");
  return poller_->change(fd, tag_of(token), writes);
}

void PistacheLoop::unwatch(int fd, std::uint32_t token) {
  HYDRA_ASSERT(watches_[token].watcher != nullptr);
  watches_[token].watcher = nullptr;
  ++watches_[token].generation;
  free_watches_.push_back(token);
  if (poller_ != nullptr) poller_->remove(fd);
}

void PistacheLoop::begin_turn() {
  current_loop = this;
  ++turn_;
  if (ring_) ring_->mute();
  for (const auto handle : deferred_) schedule(handle);
  deferred_.clear();
}

void PistacheLoop::dispatch(std::uint64_t tag, Readiness readiness) {
  const auto token = static_cast<std::uint32_t>(tag);
  if (tag == kTimerTag) armed_at_ = INT64_MAX;
  if (token >= watches_.size() || quiesced()) return;
  const Watch& watch = watches_[token];
  const auto generation = static_cast<std::uint32_t>(tag >> 32) & 0x7fffffffu;
  if (watch.watcher == nullptr || (watch.generation & 0x7fffffffu) != generation) return;
  watch.watcher->on_ready(readiness);
}

bool PistacheLoop::run_posted() {
  if (!has_posted_.load(std::memory_order_acquire)) return false;
  {
    std::lock_guard lock(post_mutex_);
    posted_.swap(running_posts_);
    has_posted_.store(false, std::memory_order_relaxed);
    poked_ = false;
  }
  for (auto& fn : running_posts_) {
    if (!quiesced()) fn();
    fn = nullptr;
  }
  running_posts_.clear();
  return true;
}

bool PistacheLoop::run_timers() {
  if (timers_.empty()) return false;
  const Nanos time = now();
  bool ran = false;
  while (timers_.earliest() <= time && !quiesced()) {
    timers_.pop()();
    ran = true;
  }
  return ran;
}

void PistacheLoop::finish_turn() {
  bool more = true;
  for (int round = 0; more && round < kRoundsPerTurn; ++round) {
    run_timers();
    run_posted();
    if (quiesced()) break;
    if (ring_) ring_->reap();
    run_ready(kResumptionsPerRound);
    if (ring_) ring_->submit();
    more = has_ready() || has_posted_.load(std::memory_order_relaxed);
  }
  if (ring_ && ring_->unmute()) more = true;
  if (more || !deferred_.empty()) poke();
  arm_timer();
  current_loop = nullptr;
}

// Only moves the timerfd to an earlier time: a timer that was cancelled costs at most one idle
// turn.
void PistacheLoop::arm_timer() {
  const Nanos earliest = timers_.earliest();
  if (earliest >= armed_at_) return;
  armed_at_ = earliest;
  const Nanos at = earliest > 0 ? earliest : 1;  // zero would disarm it
  itimerspec spec{};
  spec.it_value.tv_sec = at / kSecond;
  spec.it_value.tv_nsec = at % kSecond;
  timerfd_settime(timer_fd_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void PistacheLoop::quiesce() {
  quiesced_.store(true);
  if (ring_) ring_->drain();
}

void PistacheLoop::tear_down() {
  PistacheLoop* const outer = std::exchange(current_loop, this);
  quiesced_.store(true);
  poller_ = nullptr;
  if (ring_) ring_->drain();
  std::vector<std::function<void()>> dropped;
  {
    std::lock_guard lock(post_mutex_);
    torn_down_ = true;
    dropped.swap(posted_);
  }
  destroy_tasks();
  dropped.clear();
  while (!timers_.empty()) timers_.pop();
  ring_.reset();
  {
    std::lock_guard lock(post_mutex_);
    wake_fd_.reset();
    timer_fd_.reset();
  }
  current_loop = outer;
}

}  // namespace hydra::runtime
