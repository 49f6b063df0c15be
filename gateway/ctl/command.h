// The frame of hydractl's commands: what they share, and how they begin and end.
//
// To add a command: a file <family>_commands.cc with one function, named in commands.h and called
// in run():
//
//   void add_node_commands(Commands& commands) {
//     CLI::App& node = commands.group("node", "nodes of the grid");
//     const auto id = std::make_shared<std::string>();
//     CLI::App& drain = commands.add(node, "drain", "empty a node", [id](Session& session) {
//       return drain_node(session, *id);
//     });
//     drain.add_option("NODE", *id, "its number or name")->required();
//   }
//
// where `Result<Exit> drain_node(Session&, const std::string&)` asks with session.get or
// session.post, and answers with session.print_json where that was wanted and session.print
// otherwise. An error that it returns is told to the person and makes the exit code. How a table,
// bytes or a time is written: text.h. What is told is best made by a pure function with a test.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gateway/ctl/exit.h"

namespace CLI {
class App;
}

namespace hydra::ctl {

using Json = nlohmann::ordered_json;

// One run of a command: the gateway it speaks to, and what it says.
class Session {
 public:
  struct Options {
    std::string socket;
    bool json = false;     // --json
    bool colours = false;  // standard output is a terminal, and NO_COLOR is not set
  };
  static constexpr std::chrono::seconds kPatience{5};

  explicit Session(Options options) : options_(std::move(options)) {}

  // The gateway's answer. Its refusals as admin::parse_error tells them; kUnavailable and kTimeout
  // when nobody answers.
  Result<Json> get(std::string_view target, std::chrono::seconds patience = kPatience);
  Result<Json> post(std::string_view target, const Json& body = Json::object(),
                    std::chrono::seconds patience = kPatience);

  bool wants_json() const { return options_.json; }
  bool colours() const { return options_.colours; }
  // To standard output, when the command has ended.
  void print(std::string_view text) { out_ += text; }
  void print_json(const Json& json);
  const std::string& out() const { return out_; }

  // What an error of the command means: kExitUnreachable when the gateway did not answer,
  // kExitUsage for kInvalidArgument, else kExitFailed.
  Exit exit_of(const Error& error) const;

 private:
  Result<Json> call(std::string_view method, std::string_view target, std::string_view body,
                    std::chrono::seconds patience);

  Options options_;
  std::string out_;
  bool unreachable_ = false;
};

using Action = std::function<Result<Exit>(Session& session)>;

// The commands as the command line has them. CLI11's objects belong to it.
class Commands {
 public:
  Commands();
  ~Commands();

  // A command at the top, or one of a group. It has --json and --socket beside its own options.
  CLI::App& add(std::string name, std::string help, Action action);
  CLI::App& add(CLI::App& group, std::string name, std::string help, Action action);
  // A word before others, as in `node list`. The same one when it is asked for again.
  CLI::App& group(std::string name, std::string help);

  // Parses and runs. Prints what there is to say, and returns the exit code.
  int run(int argc, const char* const* argv);

 private:
  struct Entry {
    CLI::App* app;
    Action action;
  };
  std::unique_ptr<CLI::App> app_;
  std::vector<Entry> entries_;
  Session::Options options_;
};

// A name for use in a target: "/v1/nodes/" + quoted(name).
std::string quoted(const std::string& name);

}  // namespace hydra::ctl
