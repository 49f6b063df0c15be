// The oracle itself: which histories it takes and which it refuses.
#include "tests/simulation/reference_model.h"

#include <gtest/gtest.h>

namespace hydra::gridsim {
namespace {

using Kind = Request::Kind;

class ReferenceModelTest : public testing::Test {
 protected:
  ReferenceModelTest() : model_([] { return Nanos{0}; }) {
    for (const char* etag : {"a", "b", "c"})
      model_.intern(etag, std::make_shared<std::string>(etag));
  }
  Attempt put(ValueId value) {
    return model_.begin("key", {.kind = Kind::kPut, .value = value}, "");
  }
  Attempt put_if_absent(ValueId value) {
    return model_.begin("key", {.kind = Kind::kPut, .value = value, .if_absent = true}, "");
  }
  Attempt put_if(ValueId value, std::string etag) {
    return model_.begin("key", {.kind = Kind::kPut, .value = value, .if_match = etag}, "");
  }
  Attempt erase() { return model_.begin("key", {.kind = Kind::kDelete}, ""); }
  Attempt read() { return model_.begin("key", {}, ""); }
  bool sees(ValueId value) {
    read().finish(value);
    return !model_.failed();
  }
  static constexpr ValueId kA = 1, kB = 2, kC = 3;
  ReferenceModel model_;
};

TEST_F(ReferenceModelTest, AnAcknowledgedPutMustBeSeen) {
  put(kA).finish(kDone);
  EXPECT_TRUE(sees(kA));
  EXPECT_FALSE(sees(kAbsent));
}

TEST_F(ReferenceModelTest, AnOlderValueDoesNotComeBack) {
  put(kA).finish(kDone);
  put(kB).finish(kDone);
  EXPECT_FALSE(sees(kA));
}

TEST_F(ReferenceModelTest, ConcurrentPutsMayLieInEitherOrder) {
  for (const ValueId last : {kA, kB}) {
    Attempt first = put(kA);
    Attempt second = put(kB);
    first.finish(kDone);
    second.finish(kDone);
    EXPECT_TRUE(sees(last));
    EXPECT_TRUE(sees(last));
  }
}

TEST_F(ReferenceModelTest, OnceSeenAnOrderStays) {
  Attempt first = put(kA);
  Attempt second = put(kB);
  first.finish(kDone);
  second.finish(kDone);
  EXPECT_TRUE(sees(kA));
  EXPECT_FALSE(sees(kB));
}

TEST_F(ReferenceModelTest, AnAbandonedPutMayHappenLaterOrNever) {
  put(kA).finish(kDone);
  { Attempt lost = put(kB); }
  EXPECT_TRUE(sees(kA));
  EXPECT_TRUE(sees(kA));
  EXPECT_TRUE(sees(kB));
  EXPECT_FALSE(sees(kA));
}

TEST_F(ReferenceModelTest, ASettledPutIsDecided) {
  put(kA).finish(kDone);
  { Attempt lost = put(kB); }
  model_.settle();
  EXPECT_TRUE(sees(kA));
  EXPECT_FALSE(sees(kB));
}

TEST_F(ReferenceModelTest, AFailedPutMustNotBeSeen) {
  Attempt attempt = put(kA);
  attempt.never_happened("refused");
  EXPECT_FALSE(sees(kA));
}

TEST_F(ReferenceModelTest, APutThatWasSeenMustNotFail) {
  Attempt attempt = put(kA);
  EXPECT_TRUE(sees(kA));
  attempt.never_happened("refused");
  EXPECT_TRUE(model_.failed());
}

TEST_F(ReferenceModelTest, OneOfTwoConditionalPutsWins) {
  Attempt first = put_if_absent(kA);
  Attempt second = put_if_absent(kB);
  first.finish(kDone);
  second.finish(kPreconditionFailed);
  EXPECT_TRUE(sees(kA));

  Attempt third = put_if(kB, "a");
  Attempt fourth = put_if(kC, "a");
  third.finish(kDone);
  fourth.finish(kDone);
  EXPECT_TRUE(model_.failed());
}

TEST_F(ReferenceModelTest, TwoConditionalPutsCannotBothLose) {
  Attempt first = put_if_absent(kA);
  Attempt second = put_if_absent(kB);
  first.finish(kPreconditionFailed);
  EXPECT_FALSE(model_.failed());  // the other one may have been first
  second.finish(kPreconditionFailed);
  EXPECT_TRUE(model_.failed());
}

TEST_F(ReferenceModelTest, DeletesTellWhetherSomethingWasThere) {
  put(kA).finish(kDone);
  erase().finish(kDone);
  EXPECT_TRUE(sees(kAbsent));
  erase().finish(kNothingThere);
  EXPECT_FALSE(model_.failed());
  erase().finish(kDone);
  EXPECT_TRUE(model_.failed());
}

TEST_F(ReferenceModelTest, ALongReadMaySeeWhatWasThereMeanwhile) {
  Attempt slow = read();
  Attempt slower = read();
  put(kA).finish(kDone);
  put(kB).finish(kDone);
  EXPECT_TRUE(sees(kB));
  slow.finish(kA);
  slower.finish(kAbsent);
  EXPECT_FALSE(model_.failed());
  EXPECT_FALSE(sees(kA));
}

}  // namespace
}  // namespace hydra::gridsim
