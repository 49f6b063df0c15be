// The checker: which histories it takes, which it refuses, and that it agrees with trying every
// order.
#include "tests/simulation/linearizability.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/runtime/sim/random.h"

namespace hydra::gridsim {
namespace {

using Kind = Observation::Kind;
using Condition = Observation::Condition;
using Outcome = Observation::Outcome;
using History = std::vector<Observation>;

Observation read(Moment begin, Moment end, Observation::Value seen) {
  return {.kind = Kind::kRead, .value = seen, .begin = begin, .end = end};
}
Observation write(Moment begin, Moment end, Observation::Value value) {
  return {.kind = Kind::kWrite, .value = value, .begin = begin, .end = end};
}
Observation make(Moment begin, Moment end, Observation::Value value,
                 Outcome outcome = Outcome::kDone) {
  Observation op = write(begin, end, value);
  op.condition = Condition::kAbsent;
  op.outcome = outcome;
  return op;
}
Observation swap(Moment begin, Moment end, Observation::Value from, Observation::Value to,
                 Outcome outcome = Outcome::kDone) {
  Observation op = write(begin, end, to);
  op.condition = Condition::kValue;
  op.expected = from;
  op.outcome = outcome;
  return op;
}
Observation erase(Moment begin, Moment end, Outcome outcome = Outcome::kDone) {
  return {.kind = Kind::kErase, .outcome = outcome, .begin = begin, .end = end};
}
Observation lost(Observation op, Moment over = kNever) {
  op.outcome = Outcome::kUnknown;
  op.end = over;
  return op;
}
bool linearizable(const History& history) { return !find_flaw(history).has_value(); }

TEST(Linearizability, NothingIsRight) { EXPECT_TRUE(linearizable({})); }

TEST(Linearizability, ReadsSeeWhatWasWrittenLast) {
  EXPECT_TRUE(
      linearizable({read(1, 2, 0), write(3, 4, 1), read(5, 6, 1), erase(7, 8), read(9, 10, 0)}));
  EXPECT_FALSE(linearizable({write(1, 2, 1), read(3, 4, 0)}));
  EXPECT_FALSE(linearizable({write(1, 2, 1), write(3, 4, 2), read(5, 6, 1)}));
  EXPECT_FALSE(linearizable({write(1, 2, 1), erase(3, 4), read(5, 6, 1)}));
}

TEST(Linearizability, NothingIsSeenBeforeItBegins) {
  EXPECT_FALSE(linearizable({read(1, 2, 1), write(3, 4, 1)}));
  EXPECT_FALSE(linearizable({read(1, 2, 1), lost(write(3, 4, 1))}));
  EXPECT_TRUE(linearizable({read(1, 4, 1), write(2, 3, 1)}));
}

TEST(Linearizability, ConcurrentWritesMayComeInEitherOrderButOnlyInOne) {
  EXPECT_TRUE(linearizable({write(1, 4, 1), write(2, 3, 2), read(5, 6, 1)}));
  EXPECT_TRUE(linearizable({write(1, 4, 1), write(2, 3, 2), read(5, 6, 2)}));
  EXPECT_FALSE(linearizable({write(1, 4, 1), write(2, 3, 2), read(5, 6, 1), read(7, 8, 2)}));
  // Two readers see them in different orders.
  EXPECT_FALSE(linearizable(
      {write(1, 20, 1), write(2, 21, 2), read(3, 4, 1), read(5, 6, 2), read(7, 8, 1)}));
}

TEST(Linearizability, OneOfTwoWinsWhereNothingWas) {
  EXPECT_TRUE(linearizable({make(1, 4, 1), make(2, 3, 2, Outcome::kRefused), read(5, 6, 1)}));
  EXPECT_FALSE(linearizable({make(1, 4, 1), make(2, 3, 2)}));
  EXPECT_FALSE(linearizable({make(1, 4, 1, Outcome::kRefused), make(2, 3, 2, Outcome::kRefused)}));
  // Refused before anybody had begun to make it.
  EXPECT_FALSE(linearizable({make(1, 2, 1, Outcome::kRefused), make(3, 4, 2)}));
  // Gone in between.
  EXPECT_TRUE(linearizable({make(1, 6, 1), erase(2, 7), make(3, 8, 2)}));
}

TEST(Linearizability, AnUpdateIsNotLost) {
  const History base = {write(1, 2, 1)};
  const auto with = [&](std::initializer_list<Observation> more) {
    History history = base;
    history.insert(history.end(), more);
    return linearizable(history);
  };
  EXPECT_TRUE(with({swap(3, 6, 1, 2), swap(4, 5, 1, 3, Outcome::kRefused), read(7, 8, 2)}));
  EXPECT_FALSE(with({swap(3, 6, 1, 2), swap(4, 5, 1, 3)}));
  EXPECT_FALSE(with({swap(3, 6, 1, 2), swap(4, 5, 1, 3, Outcome::kRefused), read(7, 8, 3)}));
  EXPECT_FALSE(with({swap(3, 4, 2, 3), read(5, 6, 3)}));  // what it replaces was never there
  EXPECT_FALSE(with({swap(3, 4, 1, 2, Outcome::kRefused), read(5, 6, 1)}));
  EXPECT_TRUE(with({swap(3, 4, 1, 2), swap(5, 6, 2, 3), swap(7, 8, 3, 4), read(9, 10, 4)}));
  EXPECT_FALSE(with({swap(3, 4, 1, 2), swap(5, 6, 2, 3), swap(7, 8, 2, 4), read(9, 10, 4)}));
}

TEST(Linearizability, WhatIsMissingIsToldSo) {
  EXPECT_TRUE(linearizable({swap(1, 2, 5, 6, Outcome::kMissing)}));
  EXPECT_FALSE(linearizable({write(1, 2, 1), swap(3, 4, 5, 6, Outcome::kMissing)}));
  EXPECT_TRUE(linearizable({erase(1, 2, Outcome::kNothingThere)}));
  EXPECT_FALSE(linearizable({erase(1, 2)}));
  Observation silent = erase(1, 2);
  silent.tells_existence = false;
  EXPECT_TRUE(linearizable({silent}));
}

TEST(Linearizability, ALostAnswerMayMeanEitherButNotBoth) {
  EXPECT_TRUE(linearizable({write(1, 2, 1), lost(write(3, 0, 2)), read(5, 6, 1)}));
  EXPECT_TRUE(linearizable({write(1, 2, 1), lost(write(3, 0, 2)), read(5, 6, 2)}));
  // It takes effect long after.
  EXPECT_TRUE(linearizable(
      {write(1, 2, 1), lost(write(3, 0, 2)), read(5, 6, 1), read(7, 8, 1), read(9, 10, 2)}));
  EXPECT_FALSE(linearizable({write(1, 2, 1), lost(write(3, 0, 2)), read(5, 6, 2), read(7, 8, 1)}));
  // It explains a refusal.
  EXPECT_TRUE(linearizable({lost(make(1, 0, 1)), make(2, 3, 2, Outcome::kRefused), read(4, 5, 1)}));
  EXPECT_FALSE(
      linearizable({lost(make(1, 0, 1)), make(2, 3, 2, Outcome::kRefused), read(4, 5, 0)}));
  // A lost conditional write has no effect where its condition does not hold.
  EXPECT_FALSE(linearizable({write(1, 2, 1), lost(swap(3, 0, 9, 2)), read(5, 6, 2)}));
}

TEST(Linearizability, ALostAnswerIsDecidedWhenItsTimeIsOver) {
  const Observation late = lost(write(3, 0, 2), 6);
  EXPECT_TRUE(linearizable({write(1, 2, 1), late, read(4, 5, 1), read(7, 8, 1)}));
  EXPECT_TRUE(linearizable({write(1, 2, 1), late, read(4, 5, 1), read(7, 8, 2)}));
  EXPECT_FALSE(linearizable({write(1, 2, 1), late, read(7, 8, 1), read(9, 10, 2)}));
}

// ---- against every order
// -------------------------------------------------------------------------

// What the register does, once more, in the plainest words.
bool explains(const History& order) {
  Observation::Value now = 0;
  for (const Observation& op : order) {
    if (op.kind == Kind::kRead) {
      if (op.value != now) return false;
      continue;
    }
    const bool wants = op.condition == Condition::kPresent || op.condition == Condition::kValue;
    Outcome told = Outcome::kDone;
    if (wants && now == 0)
      told = Outcome::kMissing;
    else if ((op.condition == Condition::kAbsent && now != 0) ||
             (op.condition == Condition::kValue && now != op.expected))
      told = Outcome::kRefused;
    else if (op.kind == Kind::kErase && now == 0)
      told = Outcome::kNothingThere;
    if (op.outcome != Outcome::kUnknown && op.outcome != told) return false;
    if (told == Outcome::kDone) now = op.kind == Kind::kWrite ? op.value : 0;
  }
  return true;
}

bool keeps_time(const History& order) {
  for (std::size_t i = 0; i < order.size(); ++i)
    for (std::size_t j = i + 1; j < order.size(); ++j)
      if (order[j].end < order[i].begin) return false;
  return true;
}

// Every subset of those without an answer, in every order.
bool explained_by_some_order(const History& history) {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < history.size(); ++i)
    if (history[i].outcome == Outcome::kUnknown) open.push_back(i);
  for (std::uint32_t chosen = 0; chosen < 1u << open.size(); ++chosen) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < history.size(); ++i) {
      const auto at = std::ranges::find(open, i);
      if (at == open.end() || (chosen >> (at - open.begin()) & 1) != 0) order.push_back(i);
    }
    do {
      History tried;
      for (const std::size_t i : order) tried.push_back(history[i]);
      if (keeps_time(tried) && explains(tried)) return true;
    } while (std::ranges::next_permutation(order).found);
  }
  return false;
}

// Mostly what a register would have answered, with some answers that it would not.
History random_history(sim::Prng& prng, std::size_t size) {
  std::vector<Moment> moments(2 * size);
  std::iota(moments.begin(), moments.end(), 1);
  for (std::size_t i = moments.size(); i > 1; --i)
    std::swap(moments[i - 1], moments[prng.below(i)]);
  History history;
  for (std::size_t i = 0; i < size; ++i) {
    Observation op;
    op.begin = std::min(moments[2 * i], moments[2 * i + 1]);
    op.end = std::max(moments[2 * i], moments[2 * i + 1]);
    op.kind = static_cast<Kind>(prng.below(3));
    op.value = op.kind == Kind::kRead ? prng.below(size + 1) : i + 1;
    if (op.kind != Kind::kRead) {
      op.condition = op.kind == Kind::kErase && prng.chance(0.5)
                         ? Condition::kNone
                         : static_cast<Condition>(prng.below(4));
      op.expected = prng.between(1, size);
      op.outcome = static_cast<Outcome>(prng.chance(0.5) ? 0 : prng.below(5));
      if (op.outcome == Outcome::kUnknown && prng.chance(0.5)) op.end = kNever;
    }
    history.push_back(op);
  }
  return history;
}

TEST(Linearizability, AgreesWithTryingEveryOrder) {
  sim::Prng prng(1);
  std::size_t right = 0, wrong = 0;
  for (int i = 0; i < 30'000; ++i) {
    const History history = random_history(prng, prng.between(1, 5));
    const bool expected = explained_by_some_order(history);
    ++(expected ? right : wrong);
    if (linearizable(history) == expected) continue;
    std::string text;
    for (const Observation& op : history) text += op.to_string() + "\n";
    FAIL() << "expected " << expected << " of\n" << text;
  }
  EXPECT_GT(right, 2'000u);
  EXPECT_GT(wrong, 2'000u);
}

// A register that is used by many clients at the same time, with answers that are lost.
TEST(Linearizability, LongHistoriesOfARegisterAreTaken) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    sim::Prng prng(seed);
    Observation::Value now = 0, last = 0;
    Moment moment = 0;
    struct Client {
      std::optional<Observation> op;
      bool happened = false;
    };
    std::vector<Client> clients(6);
    History history;
    for (int step = 0; step < 6'000; ++step) {
      Client& client = clients[prng.below(clients.size())];
      if (!client.op) {
        const auto dice = prng.below(4);
        client = {};
        client.op = dice == 0   ? read(++moment, kNever, 0)
                    : dice == 1 ? make(++moment, kNever, ++last)
                    : dice == 2 ? swap(++moment, kNever, now, ++last)
                                : erase(++moment, kNever);
        if (dice == 2 && now == 0) client.op->condition = Condition::kPresent;
        client.op->outcome = Outcome::kUnknown;
      } else if (!client.happened) {
        client.happened = true;
        Observation& op = *client.op;
        if (op.kind == Kind::kRead) {
          op.value = now;
          op.outcome = Outcome::kDone;
          continue;
        }
        for (const Outcome told :
             {Outcome::kDone, Outcome::kRefused, Outcome::kMissing, Outcome::kNothingThere}) {
          op.outcome = told;
          History one = {write(0, 0, now), op};
          if (now == 0) one.erase(one.begin());
          if (!explains(one)) continue;
          if (told == Outcome::kDone) now = op.kind == Kind::kWrite ? op.value : 0;
          break;
        }
      } else {
        // Lost answers are decided when the register's host dies, at the latest.
        client.op->end = ++moment;
        if (prng.chance(0.02) && client.op->kind != Kind::kRead)
          client.op->outcome = Outcome::kUnknown;
        history.push_back(*client.op);
        client.op.reset();
      }
    }
    for (const Client& client : clients) {
      if (!client.op || client.op->kind == Kind::kRead) continue;
      history.push_back(*client.op);
      history.back().outcome = Outcome::kUnknown;
    }
    const auto flaw = find_flaw(history);
    EXPECT_FALSE(flaw) << "seed " << seed << ": " << *flaw;
    // A read of what had long been replaced.
    history.push_back(read(moment + 1, moment + 2, 1));
    EXPECT_TRUE(find_flaw(history)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace hydra::gridsim
