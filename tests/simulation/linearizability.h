// Decides whether what clients saw of one key can be explained by a register that does one thing at
// a time: whether the history is linearizable. Pure; any thread.
//
// It knows nothing of the reference model, which decides the same while a simulation runs, from the
// answers so far: this looks at the whole history afterwards, and searches for an order (Wing and
// Gong, "Testing and verifying concurrent objects", 1993, with the memory of Lowe, 2017).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>

namespace hydra::gridsim {

// Later events have greater numbers.
using Moment = std::uint64_t;
constexpr Moment kNever = std::numeric_limits<Moment>::max();

// One operation, as its client saw it.
struct Observation {
  enum class Kind : std::uint8_t { kRead, kWrite, kErase };
  // What must be there for a write or an erasure to take effect.
  enum class Condition : std::uint8_t { kNone, kAbsent, kPresent, kValue };
  enum class Outcome : std::uint8_t {
    kDone,
    kRefused,       // the condition did not hold
    kMissing,       // it asked for a value, and nothing was there
    kNothingThere,  // of an erasure: done, and nothing was there
    kUnknown,       // no answer came
  };
  using Value = std::uint64_t;
  static constexpr Value kNothing = 0;

  Kind kind = Kind::kRead;
  Value value = kNothing;  // written, or seen
  Condition condition = Condition::kNone;
  Value expected = kNothing;
  Outcome outcome = Outcome::kDone;
  bool tells_existence = true;  // an erasure says whether there was anything
  Moment begin = 0;
  // When its answer came. Of an unknown outcome: after that it has happened or never will.
  Moment end = kNever;

  std::string to_string() const;
};

// nullopt: it is linearizable, beginning with nothing there. Else where the longest attempt to
// explain it ended. kReads without an answer say nothing and may be left out. Asserts that the
// search stays within `most_states`.
std::optional<std::string> find_flaw(std::span<const Observation> history,
                                     std::size_t most_states = 1'000'000);

}  // namespace hydra::gridsim
