#include "tests/simulation/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <unordered_set>
#include <vector>

#include "base/assert.h"

namespace hydra::gridsim {

namespace {

using Kind = Observation::Kind;
using Condition = Observation::Condition;
using Outcome = Observation::Outcome;
using Value = Observation::Value;

// What an operation does to a register, by the words of S3, and what it is told.
struct Effect {
  Outcome outcome;
  Value after;
};

Effect carry_out(const Observation& op, Value now) {
  const bool nothing = now == Observation::kNothing;
  switch (op.condition) {
    case Condition::kNone:
      break;
    case Condition::kAbsent:
      if (!nothing) return {Outcome::kRefused, now};
      break;
    case Condition::kPresent:
    case Condition::kValue:
      if (nothing) return {op.tells_existence ? Outcome::kMissing : Outcome::kDone, now};
      if (op.condition == Condition::kValue && now != op.expected) return {Outcome::kRefused, now};
  }
  if (op.kind == Kind::kWrite) return {Outcome::kDone, op.value};
  return {nothing && op.tells_existence ? Outcome::kNothingThere : Outcome::kDone,
          Observation::kNothing};
}

// The state of the register after it, if the client could be told there what it was told.
std::optional<Value> follow(const Observation& op, Value now) {
  if (op.kind == Kind::kRead) return op.value == now ? std::optional(now) : std::nullopt;
  const Effect effect = carry_out(op, now);
  if (op.outcome == Outcome::kUnknown)  // without an effect it need not be put anywhere
    return effect.after == now ? std::nullopt : std::optional(effect.after);
  return effect.outcome == op.outcome ? std::optional(effect.after) : std::nullopt;
}

class Search {
 public:
  Search(std::span<const Observation> history, std::size_t most_states)
      : most_states_(most_states) {
    for (const Observation& op : history)
      if (op.kind != Kind::kRead || op.outcome != Outcome::kUnknown) ops_.push_back(op);
    std::ranges::stable_sort(ops_, {}, &Observation::begin);
    placed_.assign(ops_.size(), false);
    for (const Observation& op : ops_) left_ += must_be_placed(op);
  }

  std::optional<std::string> run() {
    // Depth first. Each step of the path has a list of what else could have come there.
    std::vector<Step> path;
    std::vector<std::size_t> next = candidates();
    if (left_ == 0) return std::nullopt;
    for (;;) {
      if (next.empty()) {
        if (path.empty()) return describe();
        next = undo(path);
        continue;
      }
      const std::size_t choice = next.back();
      next.pop_back();
      path.push_back({choice, value_, first_, latest_begin_, std::move(next)});
      if (!place(choice)) {
        next = undo(path);
        continue;
      }
      if (left_ == 0) return std::nullopt;
      if (!seen_.insert(state()).second) {
        next = undo(path);
        continue;
      }
      HYDRA_ASSERT(seen_.size() <= most_states_);
      remember_longest();
      next = candidates();
    }
  }

 private:
  struct Step {
    std::size_t choice;
    Value value_before;
    std::size_t first_before;
    Moment latest_begin_before;
    std::vector<std::size_t> others;
  };
  static bool must_be_placed(const Observation& op) { return op.outcome != Outcome::kUnknown; }

  // What may come next: nothing that began only after something else, still to be placed, had
  // ended. Those that must be placed are last, so that they are tried first.
  std::vector<std::size_t> candidates() const {
    Moment earliest_end = kNever;
    for (std::size_t i = first_; i < ops_.size() && ops_[i].begin < earliest_end; ++i)
      if (!placed_[i] && must_be_placed(ops_[i]))
        earliest_end = std::min(earliest_end, ops_[i].end);
    std::vector<std::size_t> found;
    for (std::size_t i = first_; i < ops_.size() && ops_[i].begin < earliest_end; ++i) {
      if (placed_[i] || !follow(ops_[i], value_)) continue;
      // Its time was over when something began that has been placed already.
      if (ops_[i].end < latest_begin_) continue;
      found.push_back(i);
    }
    std::ranges::stable_sort(found, [&](std::size_t a, std::size_t b) {
      if (must_be_placed(ops_[a]) != must_be_placed(ops_[b])) return must_be_placed(ops_[b]);
      return ops_[a].end > ops_[b].end;
    });
    return found;
  }
  bool place(std::size_t i) {
    placed_[i] = true;
    left_ -= must_be_placed(ops_[i]);
    const auto after = follow(ops_[i], value_);
    if (!after) return false;
    value_ = *after;
    latest_begin_ = std::max(latest_begin_, ops_[i].begin);
    while (first_ < ops_.size() && (placed_[first_] || is_over(first_))) ++first_;
    return true;
  }
  // An operation without an answer whose time is over.
  bool is_over(std::size_t i) const {
    return !must_be_placed(ops_[i]) && ops_[i].end < latest_begin_;
  }
  std::vector<std::size_t> undo(std::vector<Step>& path) {
    Step step = std::move(path.back());
    path.pop_back();
    placed_[step.choice] = false;
    left_ += must_be_placed(ops_[step.choice]);
    value_ = step.value_before;
    first_ = step.first_before;
    latest_begin_ = step.latest_begin_before;
    return std::move(step.others);
  }
  // What decides all that can follow: the register, and which are still to come.
  std::string state() const {
    std::size_t last = ops_.size();
    while (last > first_ && !placed_[last - 1]) --last;
    std::string key = fmt::format("{} {}", value_, last);
    for (std::size_t i = first_; i < last; ++i)
      if (!placed_[i] && !is_over(i)) fmt::format_to(std::back_inserter(key), " {}", i);
    return key;
  }

  void remember_longest() {
    if (left_ >= least_left_) return;
    least_left_ = left_;
    longest_value_ = value_;
    longest_open_.clear();
    for (std::size_t i = first_; i < ops_.size() && longest_open_.size() < 8; ++i)
      if (!placed_[i]) longest_open_.push_back(i);
  }
  std::string describe() const {
    std::string text = fmt::format("{} operations are left when the register holds {}:",
                                   std::min(least_left_, left_), longest_value_);
    std::vector<std::size_t> open = longest_open_;
    if (open.empty())
      for (std::size_t i = 0; i < std::min<std::size_t>(8, ops_.size()); ++i) open.push_back(i);
    for (const std::size_t i : open) text += "\n    " + ops_[i].to_string();
    return text;
  }

  std::size_t most_states_;
  std::vector<Observation> ops_;  // by their beginning
  std::vector<bool> placed_;
  std::size_t left_ = 0;   // that must be placed
  std::size_t first_ = 0;  // all before are placed, or over
  Value value_ = Observation::kNothing;
  Moment latest_begin_ = 0;  // of those placed
  std::unordered_set<std::string> seen_;

  std::size_t least_left_ = std::numeric_limits<std::size_t>::max();
  Value longest_value_ = Observation::kNothing;
  std::vector<std::size_t> longest_open_;
};

}  // namespace

std::optional<std::string> find_flaw(std::span<const Observation> history,
                                     std::size_t most_states) {
  return Search(history, most_states).run();
}

std::string Observation::to_string() const {
  constexpr const char* kKinds[] = {"read", "write", "erase"};
  constexpr const char* kOutcomes[] = {"done", "refused", "missing", "nothing there", "unknown"};
  std::string text = fmt::format("[{}, {}] {}", begin, end == kNever ? "-" : std::to_string(end),
                                 kKinds[static_cast<int>(kind)]);
  if (kind != Kind::kErase) text += fmt::format(" {}", value);
  if (condition == Condition::kAbsent) text += " if nothing is there";
  if (condition == Condition::kPresent) text += " if anything is there";
  if (condition == Condition::kValue) text += fmt::format(" if it is {}", expected);
  return text + ": " + kOutcomes[static_cast<int>(outcome)];
}

}  // namespace hydra::gridsim
