#include "base/runtime/sim/sim_loop.h"

#include <fmt/format.h>

#include <utility>

#include "base/runtime/sim/sim_disk.h"
#include "base/runtime/sim/sim_net.h"
#include "base/runtime/sim/simulation.h"

namespace hydra::sim {

namespace {
constexpr Nanos kEpochMs = 1'767'225'600'000;  // the simulated world starts at 2026-01-01T00:00:00Z
constexpr std::size_t kMaxBatch = 4;           // resumptions in one turn, at most
}  // namespace

// Runs its closures one after the other, each as an event of its loop.
class SimSequencer final : public Sequencer {
 public:
  explicit SimSequencer(SimLoop& loop) : state_(std::make_shared<State>(State{loop, {}, false})) {}
  ~SimSequencer() override {
    state_->open = false;
    const auto dropped = std::exchange(state_->work, {});
  }
  void post(std::function<void()> work) override {
    state_->work.push_back(std::move(work));
    if (!std::exchange(state_->running, true)) start(state_);
  }

 private:
  struct State {
    SimLoop& loop;
    std::deque<std::function<void()>> work;
    bool running = false;
    bool open = true;
  };
  static void start(const std::shared_ptr<State>& state) {
    state->loop.start_thread_work([state] {
      if (!state->open || state->work.empty()) return;
      auto work = std::move(state->work.front());
      state->work.pop_front();
      work();
      work = nullptr;
      if (state->open && !state->work.empty()) {
        start(state);
      } else {
        state->running = false;
      }
    });
  }

  std::shared_ptr<State> state_;
};

SimLoop::SimLoop(Process& process, Scheduler& scheduler, const Faults& faults, std::uint64_t id,
                 std::uint32_t index, std::uint64_t seed)
    : Loop(index),
      process_(process),
      scheduler_(scheduler),
      faults_(faults),
      id_(id),
      prng_(combine(seed, 1)),
      schedule_prng_(combine(seed, 2)),
      net_(std::make_unique<LoopNet>(*this)),
      disk_(std::make_unique<LoopDisk>(*this)) {}

SimLoop::~SimLoop() { kill(); }

bool SimLoop::on_own_thread() const {
  return scheduler_.current() == id_ || scheduler_.current() == Scheduler::kWorld;
}

const std::string& SimLoop::process_name() const { return process_.name(); }

std::int64_t SimLoop::wall_ms() const {
  return kEpochMs + (scheduler_.now() + process_.clock_skew()) / kMillisecond;
}

void SimLoop::post(std::function<void()> fn) {
  if (dead_) return;
  posts_.push_back(std::move(fn));
  request_turn();
}

Scheduler::EventId SimLoop::start_thread_work(std::function<void()> work) {
  if (dead_) return 0;
  return scheduler_.after(schedule_prng_.in(faults_.offload), EventKind::kThread, id_,
                          [this, work = std::move(work)] { scheduler_.as_thread(work); });
}

void SimLoop::offload(std::function<void()> work, std::function<void()> done) {
  start_thread_work([this, work = std::move(work), done = std::move(done)] {
    work();
    post(done);
  });
}

std::unique_ptr<Sequencer> SimLoop::make_sequencer(std::string_view) {
  return std::make_unique<SimSequencer>(*this);
}

Loop::TimerId SimLoop::call_at(Nanos at, std::function<void()> fn) {
  if (dead_ || at == kNever) return 0;
  HYDRA_ASSERT(on_own_thread());
  return scheduler_.at(at, EventKind::kTimer, id_, std::move(fn));
}

void SimLoop::cancel(TimerId id) {
  if (!dead_) scheduler_.cancel(id);
}

void SimLoop::wake() {
  HYDRA_ASSERT(on_own_thread());
  request_turn();
}

void SimLoop::request_turn() {
  if (dead_ || std::exchange(turn_requested_, true)) return;
  scheduler_.after(schedule_prng_.in(faults_.turn), EventKind::kTurn, id_, [this] { turn(); });
}

// A few posts and a few resumptions, each kind in its order, in a random mix.
void SimLoop::turn() {
  turn_requested_ = false;
  const bool posts_first = schedule_prng_.chance(0.5);
  if (!posts_first) run_ready(schedule_prng_.between(1, kMaxBatch));
  for (auto count = schedule_prng_.between(1, kMaxBatch); count > 0 && !posts_.empty(); --count) {
    const auto fn = std::move(posts_.front());
    posts_.pop_front();
    fn();
  }
  if (posts_first) run_ready(schedule_prng_.between(1, kMaxBatch));
  if (has_ready() || !posts_.empty()) request_turn();
}

void SimLoop::kill() {
  if (std::exchange(dead_, true)) return;
  destroy_tasks();
  const auto events = scheduler_.take(id_);
  const auto posts = std::exchange(posts_, {});
}

std::string SimLoop::report() const {
  return fmt::format("loop {}: {} tasks, {} events, {} posts{}", index(), spawned(),
                     scheduler_.pending(id_), posts_.size(), has_ready() ? ", ready" : "");
}

}  // namespace hydra::sim
