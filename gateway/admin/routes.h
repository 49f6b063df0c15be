// Routes: what the admin socket answers, as a table of method and path. Filled before the first
// request, and not changed after; any loop may look into it.
//
// To add a family of routes: a pair of files <family>_routes.{h,cc} with one function
//
//   void add_node_routes(Routes& routes, object::Membership& membership) {
//     routes.add("GET", "/v1/nodes/{id}",
//                [&membership](const Call& call) { return show_node(membership, call); });
//   }
//
// where show_node is a coroutine, `Task<Result<Json>> show_node(object::Membership&, const Call&)`,
// and a line in Gateway::start beside the others. What looks is a GET, what changes is a POST. What
// a person calls wrong is kInvalidArgument; a change that the state of the grid forbids is
// kConflict; both with a sentence that says what to do instead. hydractl has a command for each
// (gateway/ctl/command.h).
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/runtime/loop.h"

namespace hydra::admin {

using Json = nlohmann::ordered_json;
using Parameters = std::map<std::string, std::string, std::less<>>;

// One request. Lives until its handler has answered.
struct Call {
  Loop& loop;
  Parameters path;   // by the names in braces, decoded
  Parameters query;  // decoded
  Json body;         // of a POST: an object, empty when nothing was sent

  // Of the path, which has it if the route does.
  const std::string& operator[](std::string_view name) const { return path.find(name)->second; }
  // Of the query; empty when it is not there.
  std::string_view option(std::string_view name) const;
  // A number in the path. kInvalidArgument.
  Result<std::uint64_t> number(std::string_view name) const;
};

// What it gives is sent with 200. It may be a coroutine lambda: it lives as long as the table.
using RouteHandler = std::function<Task<Result<Json>>(const Call& call)>;

class Routes {
 public:
  static constexpr std::size_t kBodyBytes = 64u << 10;

  // `pattern`: segments that are words or {name}. Asserts that method and pattern are new.
  void add(std::string method, std::string_view pattern, RouteHandler handler,
           std::size_t body_bytes = kBodyBytes);

  struct Match {
    const RouteHandler* handler = nullptr;
    std::size_t body_bytes = 0;  // more is not taken
    Parameters path;
  };
  // HEAD finds what GET finds. Words win over names. kNotFound; kMethodNotAllowed, with what is
  // allowed; kInvalidArgument for a broken escape.
  Result<Match> find(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> pattern;
    RouteHandler handler;
    std::size_t body_bytes;
  };
  std::vector<Route> routes_;
};

// a=1&b=2, decoded, where + is a space. kInvalidArgument for a broken escape or a name twice.
Result<Parameters> parse_query(std::string_view query);
// An object. Nothing at all is an empty one. kInvalidArgument.
Result<Json> parse_body(std::string_view body);

}  // namespace hydra::admin
