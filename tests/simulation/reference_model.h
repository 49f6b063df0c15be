// ReferenceModel: what clients of a grid may see, decided by linearizability.
//
// Every key is a register that holds one value or none. An operation takes effect at one moment
// between its begin and its end, or, when its end was never seen, at any later moment or never. For
// each key the model keeps every state that the answers so far allow; an answer that no state
// allows is a violation. One thread.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/runtime/loop.h"
#include "tests/simulation/linearizability.h"

namespace hydra::gridsim {

using ValueId = std::uint32_t;
constexpr ValueId kAbsent = 0;  // the key does not exist

struct Value {
  std::string etag;
  std::shared_ptr<const std::string> bytes;
};

// What an operation is told. A read's outcome is the value it saw.
using Outcome = std::uint32_t;
constexpr Outcome kDone = 1'000'000'000;
constexpr Outcome kNothingThere = kDone + 1;  // of a delete that was carried out
constexpr Outcome kPreconditionFailed = kDone + 2;
constexpr Outcome kNoSuchKey = kDone + 3;

struct Request {
  enum class Kind : std::uint8_t { kPut, kDelete, kRead };
  Kind kind = Kind::kRead;
  ValueId value = kAbsent;              // of a put
  std::optional<std::string> if_match;  // an etag or "*"
  bool if_absent = false;               // If-None-Match: *
  // For clients that are not told whether a delete found something.
  bool outcome_tells_existence = true;
};

using OperationId = std::uint64_t;

// One key. The caller gives numbers to operations.
class Register {
 public:
  // What `request` does to a key that holds `current`: outcome and new value.
  using Apply = std::function<std::pair<Outcome, ValueId>(const Request& request, ValueId current)>;

  void begin(OperationId id, Request request);
  // False: no order of operations explains this outcome.
  bool finish(OperationId id, Outcome outcome, const Apply& apply);
  // The caller was told for certain that nothing was changed. False: it was, and that has been
  // seen.
  bool never_happened(OperationId id);
  // Its end will not be seen. A read is forgotten, a change may happen at any later moment.
  void abandon(OperationId id);
  // What was abandoned has happened by now, or never will: `over_now` is told which.
  void settle(const Apply& apply, const std::function<void(OperationId)>& over_now);

  // The values that it may hold when nothing is under way.
  std::set<ValueId> possible() const;
  std::size_t states() const { return states_.size(); }

 private:
  struct State {
    ValueId value = kAbsent;
    std::vector<std::pair<OperationId, Outcome>> done;  // of those under way, by id
    auto operator<=>(const State&) const = default;
    const Outcome* outcome_of(OperationId id) const;
    void forget(OperationId id);
  };
  struct Pending {
    Request request;
    bool abandoned = false;
  };
  void expand(const Apply& apply);
  void forget_everywhere(OperationId id);

  std::set<State> states_{State{}};
  std::map<OperationId, Pending> pending_;
};

class ReferenceModel;

// One operation under way. Dropped without an end (its process died), it counts as abandoned.
class Attempt {
 public:
  Attempt() = default;
  Attempt(Attempt&& other) noexcept { *this = std::move(other); }
  Attempt& operator=(Attempt&& other) noexcept;
  ~Attempt();

  void finish(Outcome outcome);
  void never_happened(std::string_view why);
  const std::string& key() const { return key_; }

 private:
  friend class ReferenceModel;
  ReferenceModel* model_ = nullptr;
  OperationId id_ = 0;
  std::string key_;
};

class ReferenceModel {
 public:
  explicit ReferenceModel(std::function<Nanos()> now) : now_(std::move(now)) {
    values_.emplace_back();
  }

  // The number of a value; the same for the same etag, whose bytes must then be the same, too.
  ValueId intern(std::string etag, std::shared_ptr<const std::string> bytes);
  // nullopt: nobody ever wrote a value with this etag.
  std::optional<ValueId> find(std::string_view etag) const;
  const Value& value(ValueId id) const { return values_[id]; }

  Attempt begin(const std::string& key, Request request, std::string_view who);
  void settle();

  const std::map<std::string, Register, std::less<>>& keys() const { return registers_; }
  // Keys whose state is known only as one of several, and the most states that any key has.
  std::size_t most_states() const;

  // All that clients saw of a key, for a checker of its own.
  std::vector<Observation> history(const std::string& key) const;

  // A line of the trace.
  void note(std::string line);
  void violation(std::string sentence);
  bool failed() const { return !violations_.empty(); }
  const std::vector<std::string>& violations() const { return violations_; }
  // The violations, what happened to their keys, and the end of the trace.
  std::string report() const;
  std::size_t operations() const { return next_id_ - 1; }

 private:
  friend class Attempt;
  struct Recorded {
    Observation seen;
    bool happened = true;  // or its client was told that it did not
  };
  Recorded& recorded(const std::string& key, OperationId id) { return histories_[key].at(id); }
  std::string describe(const Request& request) const;
  std::string describe(Outcome outcome) const;
  Register::Apply apply() const;
  void check(bool possible, const std::string& key, std::string sentence);

  std::function<Nanos()> now_;
  std::vector<Value> values_;
  std::map<std::string, ValueId, std::less<>> by_etag_;
  std::map<std::string, Register, std::less<>> registers_;
  std::map<std::string, std::map<OperationId, Recorded>, std::less<>> histories_;
  OperationId next_id_ = 1;
  Moment moment_ = 0;  // counts beginnings and ends
  std::vector<std::string> trace_;
  std::vector<std::string> violations_;
  std::set<std::string> suspect_keys_;
};

}  // namespace hydra::gridsim
