#include "gateway/ctl/command.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace hydra::ctl {
namespace {

class CommandTest : public testing::Test {
 protected:
  int run(std::vector<const char*> words, const Action& action) {
    Commands commands;
    commands.add("plain", "help", action);
    CLI::App& group = commands.group("node", "help");
    EXPECT_EQ(&commands.group("node", "again"), &group);
    commands.add(group, "drain", "help", action).add_option("NODE", argument)->required();
    words.insert(words.begin(), "hydractl");
    return commands.run(static_cast<int>(words.size()), words.data());
  }
  std::string argument;
};

TEST_F(CommandTest, ExitCodeIsTheActions) {
  EXPECT_EQ(run({"plain"}, [](Session&) { return kExitDegraded; }), 4);
}

TEST_F(CommandTest, GroupsTakeArgumentsAndSharedOptions) {
  const auto action = [&](Session& session) {
    EXPECT_TRUE(session.wants_json());
    EXPECT_EQ(argument, "attic");
    return kExitOk;
  };
  EXPECT_EQ(run({"node", "drain", "attic", "--json", "--socket", "/s"}, action), 0);
}

TEST_F(CommandTest, WrongUsageIsTwo) {
  const auto never = [](Session&) -> Result<Exit> {
    ADD_FAILURE();
    return kExitOk;
  };
  for (const auto& words : std::vector<std::vector<const char*>>{
           {}, {"other"}, {"node"}, {"node", "drain"}, {"plain", "--unknown"}, {"plain", "more"}})
    EXPECT_EQ(run(words, never), 2);
}

TEST_F(CommandTest, ErrorsBecomeExitCodes) {
  EXPECT_EQ(run({"plain"}, [](Session&) { return fail(Code::kConflict, "no"); }), 1);
  EXPECT_EQ(run({"plain"}, [](Session&) { return fail(Code::kInvalidArgument, "no"); }), 2);
  // A gateway that says it cannot now has answered.
  EXPECT_EQ(run({"plain"}, [](Session&) { return fail(Code::kUnavailable, "no"); }), 1);
}

TEST_F(CommandTest, NobodyAtTheSocketIsThree) {
  const auto action = [](Session& session) -> Result<Exit> {
    HYDRA_CHECK_OK(session.post("/v1/nodes"));
    return kExitOk;
  };
  EXPECT_EQ(run({"plain", "--socket", "/nonexistent/admin.sock"}, action), 3);
}

}  // namespace
}  // namespace hydra::ctl
