#include "tests/simulation/reference_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/assert.h"

namespace hydra::gridsim {

namespace {
constexpr std::size_t kMostStates = 200'000;  // of one key: the workload is too wild for the check
constexpr std::size_t kTraceTail = 60;

// Keys beyond the store's own limit, too, fit into a line of the trace.
std::string short_name(const std::string& key) {
  return key.size() <= 60 ? key : key.substr(0, 8) + "..." + key.substr(key.size() - 12);
}

auto place_of(auto& done, OperationId id) {
  return std::lower_bound(done.begin(), done.end(), id,
                          [](const auto& item, OperationId wanted) { return item.first < wanted; });
}
}  // namespace

namespace {
Observation observe(const Request& request, const std::optional<ValueId>& expected, Moment begin) {
  Observation seen;
  seen.begin = begin;
  seen.outcome = Observation::Outcome::kUnknown;
  seen.value = request.value;
  seen.tells_existence = request.outcome_tells_existence;
  if (request.kind == Request::Kind::kPut) seen.kind = Observation::Kind::kWrite;
  if (request.kind == Request::Kind::kDelete) seen.kind = Observation::Kind::kErase;
  if (request.if_absent) seen.condition = Observation::Condition::kAbsent;
  if (request.if_match) seen.condition = Observation::Condition::kPresent;
  if (expected) {
    seen.condition = Observation::Condition::kValue;
    seen.expected = *expected;
  }
  return seen;
}

void answer(Observation& seen, Outcome outcome, Moment end) {
  seen.end = end;
  if (seen.kind == Observation::Kind::kRead) seen.value = outcome;
  seen.outcome = outcome == kPreconditionFailed ? Observation::Outcome::kRefused
                 : outcome == kNoSuchKey        ? Observation::Outcome::kMissing
                 : outcome == kNothingThere     ? Observation::Outcome::kNothingThere
                                                : Observation::Outcome::kDone;
}
}  // namespace

const Outcome* Register::State::outcome_of(OperationId id) const {
  const auto found = place_of(done, id);
  return found != done.end() && found->first == id ? &found->second : nullptr;
}

void Register::State::forget(OperationId id) {
  const auto found = place_of(done, id);
  if (found != done.end() && found->first == id) done.erase(found);
}

void Register::begin(OperationId id, Request request) {
  pending_.emplace(id, Pending{std::move(request)});
}

// Adds every state that can be reached by letting operations under way take effect now.
void Register::expand(const Apply& apply) {
  std::vector<State> fresh(states_.begin(), states_.end());
  while (!fresh.empty()) {
    const State state = std::move(fresh.back());
    fresh.pop_back();
    for (const auto& [id, pending] : pending_) {
      if (state.outcome_of(id) != nullptr) continue;
      State next = state;
      const auto [outcome, value] = apply(pending.request, state.value);
      next.value = value;
      next.done.insert(place_of(next.done, id), {id, outcome});
      if (states_.insert(next).second) fresh.push_back(std::move(next));
    }
    HYDRA_ASSERT(states_.size() <= kMostStates);
  }
}

bool Register::finish(OperationId id, Outcome outcome, const Apply& apply) {
  expand(apply);
  pending_.erase(id);
  std::set<State> left;
  for (State state : states_) {
    const Outcome* seen = state.outcome_of(id);
    if (seen == nullptr || *seen != outcome) continue;
    state.forget(id);
    left.insert(std::move(state));
  }
  if (left.empty()) {
    forget_everywhere(id);
    return false;
  }
  states_ = std::move(left);
  return true;
}

bool Register::never_happened(OperationId id) {
  pending_.erase(id);
  std::set<State> left;
  for (const State& state : states_)
    if (state.outcome_of(id) == nullptr) left.insert(state);
  if (left.empty()) {
    forget_everywhere(id);
    return false;
  }
  states_ = std::move(left);
  return true;
}

void Register::forget_everywhere(OperationId id) {
  std::set<State> left;
  for (State state : states_) {
    state.forget(id);
    left.insert(std::move(state));
  }
  states_ = std::move(left);
}

void Register::abandon(OperationId id) {
  const auto found = pending_.find(id);
  if (found->second.request.kind != Request::Kind::kRead) {
    found->second.abandoned = true;
    return;
  }
  pending_.erase(found);
  forget_everywhere(id);
}

void Register::settle(const Apply& apply, const std::function<void(OperationId)>& over_now) {
  std::vector<OperationId> over;
  for (const auto& [id, pending] : pending_)
    if (pending.abandoned) over.push_back(id);
  if (over.empty()) return;
  expand(apply);
  for (const OperationId id : over) {
    over_now(id);
    pending_.erase(id);
    forget_everywhere(id);
  }
}

std::set<ValueId> Register::possible() const {
  std::set<ValueId> values;
  for (const State& state : states_) values.insert(state.value);
  return values;
}

Attempt& Attempt::operator=(Attempt&& other) noexcept {
  std::swap(model_, other.model_);
  std::swap(id_, other.id_);
  std::swap(key_, other.key_);
  return *this;
}

Attempt::~Attempt() {
  if (model_ == nullptr) return;
  model_->note(fmt::format("#{} has no known end", id_));
  model_->registers_[key_].abandon(id_);
}

void Attempt::finish(Outcome outcome) {
  ReferenceModel& model = *std::exchange(model_, nullptr);
  answer(model.recorded(key_, id_).seen, outcome, ++model.moment_);
  model.note(fmt::format("#{} {}: {}", id_, short_name(key_), model.describe(outcome)));
  model.check(model.registers_[key_].finish(id_, outcome, model.apply()), key_,
              fmt::format("no order of operations explains that #{} was told: {}", id_,
                          model.describe(outcome)));
}

void Attempt::never_happened(std::string_view why) {
  ReferenceModel& model = *std::exchange(model_, nullptr);
  model.recorded(key_, id_).happened = false;
  model.note(fmt::format("#{} {}: failed: {}", id_, short_name(key_), why));
  model.check(model.registers_[key_].never_happened(id_), key_,
              fmt::format("#{} was told that it failed, and took effect", id_));
}

ValueId ReferenceModel::intern(std::string etag, std::shared_ptr<const std::string> bytes) {
  if (const auto found = by_etag_.find(etag); found != by_etag_.end()) {
    HYDRA_ASSERT(*values_[found->second].bytes == *bytes);
    return found->second;
  }
  const auto id = static_cast<ValueId>(values_.size());
  by_etag_.emplace(etag, id);
  values_.push_back({std::move(etag), std::move(bytes)});
  return id;
}

std::optional<ValueId> ReferenceModel::find(std::string_view etag) const {
  const auto found = by_etag_.find(etag);
  if (found == by_etag_.end()) return std::nullopt;
  return found->second;
}

Register::Apply ReferenceModel::apply() const {
  return [this](const Request& request, ValueId current) -> std::pair<Outcome, ValueId> {
    if (request.kind == Request::Kind::kRead) return {current, current};
    if (request.if_match) {
      if (current == kAbsent && request.outcome_tells_existence) return {kNoSuchKey, current};
      if (current == kAbsent) return {kDone, current};  // of a delete
      if (*request.if_match != "*" && *request.if_match != values_[current].etag)
        return {kPreconditionFailed, current};
    }
    if (request.if_absent && current != kAbsent) return {kPreconditionFailed, current};
    if (request.kind == Request::Kind::kPut) return {kDone, request.value};
    if (current == kAbsent && request.outcome_tells_existence) return {kNothingThere, kAbsent};
    return {kDone, kAbsent};
  };
}

Attempt ReferenceModel::begin(const std::string& key, Request request, std::string_view who) {
  Attempt attempt;
  attempt.model_ = this;
  attempt.id_ = next_id_++;
  attempt.key_ = key;
  note(fmt::format("#{} {}: {} {}", attempt.id_, short_name(key), who, describe(request)));
  // An etag that nobody ever wrote is like one that is not there.
  std::optional<ValueId> expected;
  if (request.if_match && *request.if_match != "*")
    expected = find(*request.if_match).value_or(std::numeric_limits<ValueId>::max());
  histories_[key][attempt.id_] = {observe(request, expected, ++moment_)};
  registers_[key].begin(attempt.id_, std::move(request));
  return attempt;
}

void ReferenceModel::settle() {
  for (auto& [key, state] : registers_)
    state.settle(apply(), [&](OperationId id) { recorded(key, id).seen.end = ++moment_; });
}

std::vector<Observation> ReferenceModel::history(const std::string& key) const {
  std::vector<Observation> history;
  const auto found = histories_.find(key);
  if (found == histories_.end()) return history;
  for (const auto& [id, recorded] : found->second)
    if (recorded.happened) history.push_back(recorded.seen);
  return history;
}

std::size_t ReferenceModel::most_states() const {
  std::size_t most = 0;
  for (const auto& [key, state] : registers_) most = std::max(most, state.states());
  return most;
}

void ReferenceModel::note(std::string line) {
  trace_.push_back(fmt::format("{:>12.6f} {}", static_cast<double>(now_()) / kSecond, line));
}

void ReferenceModel::violation(std::string sentence) {
  note("VIOLATION " + sentence);
  violations_.push_back(std::move(sentence));
}

void ReferenceModel::check(bool possible, const std::string& key, std::string sentence) {
  if (possible) return;
  suspect_keys_.insert(key);
  violation(short_name(key) + ": " + sentence);
}

std::string ReferenceModel::describe(const Request& request) const {
  std::string text;
  switch (request.kind) {
    case Request::Kind::kRead:
      return "read";
    case Request::Kind::kDelete:
      text = "delete";
      break;
    case Request::Kind::kPut:
      text = fmt::format("put v{} ({} bytes, etag {})", request.value,
                         values_[request.value].bytes->size(), values_[request.value].etag);
  }
  if (request.if_match) text += " if it is " + *request.if_match;
  if (request.if_absent) text += " if it is absent";
  return text;
}

std::string ReferenceModel::describe(Outcome outcome) const {
  switch (outcome) {
    case kAbsent:
      return "absent";
    case kDone:
      return "done";
    case kNothingThere:
      return "done, nothing was there";
    case kPreconditionFailed:
      return "precondition failed";
    case kNoSuchKey:
      return "no such key";
    default:
      return fmt::format("v{} (etag {})", outcome, values_[outcome].etag);
  }
}

std::string ReferenceModel::report() const {
  std::string text;
  for (const std::string& sentence : violations_) text += "violation: " + sentence + "\n";
  text += "what happened to these keys and in the grid:\n";
  for (const std::string& line : trace_) {
    const bool told = std::ranges::any_of(suspect_keys_, [&](const std::string& key) {
      return line.find(" " + short_name(key) + ":") != std::string::npos;
    });
    if (told || line.find('#') == std::string::npos) text += "  " + line + "\n";
  }
  text += "the end of the trace:\n";
  for (std::size_t i = trace_.size() - std::min(trace_.size(), kTraceTail); i < trace_.size(); ++i)
    text += "  " + trace_[i] + "\n";
  return text;
}

}  // namespace hydra::gridsim
