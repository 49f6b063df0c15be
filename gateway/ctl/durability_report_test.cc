#include "gateway/ctl/durability_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "gateway/admin/durability_json.h"

namespace hydra::ctl {
namespace {

using testing::AllOf;
using testing::HasSubstr;

nlohmann::ordered_json example(admin::GridTimes times) {
  return admin::write_durability(admin::durability_of(std::array{erasure::Profile{4, 2}},
                                                      {.node = 0.05, .latent = 0.01}, times));
}

TEST(DurabilityReport, LineSaysWhatWasMeasured) {
  EXPECT_EQ(
      *durability_line(example({0.5, true, 30, false})),
      "Durability: 5 nines (modelled) per object and year at 4+2; repair 12 h (measured), scrub "
      "30 d (not measured yet, as configured).\n");
}

TEST(DurabilityReport, StatementNamesWhatItRestsOnAndLeavesOut) {
  EXPECT_THAT(*durability_report(example({0.5, true, 30, false})),
              AllOf(HasSubstr("2.9e-06 losses"), HasSubstr("0.05 failures"),
                    HasSubstr("It assumes that\n  - nodes fail independently"),
                    HasSubstr("It does not cover\n  - correlated failures"),
                    HasSubstr("faults of software"), HasSubstr("mistakes of operators"),
                    HasSubstr("loss of the key file")));
}

TEST(DurabilityReport, AnswerOfAnotherKindIsRefused) {
  EXPECT_EQ(durability_line({}).error().code, Code::kCorrupt);
  EXPECT_EQ(durability_report({}).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace hydra::ctl
