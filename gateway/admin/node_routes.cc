#include "gateway/admin/node_routes.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/encoding.h"
#include "gateway/admin/status_json.h"
#include "gateway/admin/status_routes.h"

namespace hydra::admin {

namespace {

using Shared = std::shared_ptr<const NodeSources>;

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

// By number, or by a name that only one node bears.
Result<catalog::NodeRow> find_node(catalog::Catalog& catalog, const std::string& wanted) {
  HYDRA_TRY(auto rows, catalog.nodes());
  NodeId id = 0;
  const auto [rest, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), id);
  if (error == std::errc() && rest == wanted.data() + wanted.size()) {
    const auto found = std::ranges::find(rows, id, &catalog::NodeRow::id);
    if (found != rows.end()) return std::move(*found);
  }
  std::erase_if(rows, [&](const auto& row) { return row.removed || row.name != wanted; });
  if (rows.empty()) return fail(Code::kNotFound, "there is no node " + wanted);
  if (rows.size() > 1)
    return fail(Code::kInvalidArgument,
                fmt::format("{} nodes are called {}: say the number of the one you mean",
                            rows.size(), wanted));
  return std::move(rows.front());
}

Json row_json(const catalog::NodeRow& row) {
  return {{"id", row.id},
          {"name", row.name},
          {"zone", row.zone},
          {"weight", row.weight},
          {"draining", row.draining},
          {"removed", row.removed},
          {"role", role_name(row.role)}};
}

// The status's nodes, those with shards first.
Task<Result<Json>> list_nodes(Shared nodes, const Call& call) {
  HYDRA_CO_TRY(const GridStatus status, co_await take_status(nodes->sources, call.loop));
  Json whole = write_status(status);
  Json list = std::move(whole["nodes"]);
  for (Json& entry : whole["cache"]["nodes"]) list.push_back(std::move(entry));
  co_return Json{{"nodes", std::move(list)}};
}

Task<Result<Json>> show_node(Shared nodes, const Call& call) {
  HYDRA_CO_TRY(const auto row, find_node(*nodes->sources.catalog, call["node"]));
  HYDRA_CO_TRY(const auto holdings, co_await nodes->membership.holdings(row.id));
  Json json = row_json(row);
  json["extents"] = holdings.extents;
  json["extent_bytes"] = holdings.bytes;
  json["dependent_extents"] = holdings.dependent;
  json["safe_to_remove"] = holdings.extents == 0;
  co_return json;
}

Task<Result<Json>> make_token(Shared nodes, const Call&) {
  HYDRA_CO_TRY(const auto made, co_await nodes->admission.make_token());
  const std::string address = address_for_nodes(nodes->listen, nodes->advertised, host_name());
  const std::string token = made.token.text();
  co_return Json{{"token", token},
                 {"expires", format_iso8601(made.expires_ms)},
                 {"gateway", address},
                 {"command", fmt::format("hydra-agent join --gateway {} --token {} --data DIR",
                                         address, token)}};
}

Status only_members(const Json& body, std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : body.items())
    if (std::ranges::find(known, name) == known.end())
      return fail(Code::kInvalidArgument, "unknown member " + name);
  return {};
}

// Absent: the fallback.
template <typename T>
Result<T> member(const Json& body, const char* name, T fallback, bool fits, const char* wanted) {
  if (!body.contains(name)) return fallback;
  if (!fits) return fail(Code::kInvalidArgument, fmt::format("{} wants {}", name, wanted));
  return body[name].template get<T>();
}

Task<Result<Json>> set_node(Shared nodes, const Call& call) {
  const Json& body = call.body;
  HYDRA_CO_CHECK_OK(only_members(body, {"weight", "zone", "draining"}));
  const auto has = [&](const char* name, auto check) {
    return body.contains(name) && (body[name].*check)();
  };
  catalog::NodeChange change;
  if (body.contains("weight")) {
    HYDRA_CO_TRY(change.weight,
                 member<double>(body, "weight", 0, has("weight", &Json::is_number), "a number"));
  }
  if (body.contains("zone")) {
    HYDRA_CO_TRY(change.zone,
                 member<std::string>(body, "zone", {}, has("zone", &Json::is_string), "a text"));
  }
  if (body.contains("draining")) {
    HYDRA_CO_TRY(
        change.draining,
        member<bool>(body, "draining", false, has("draining", &Json::is_boolean), "true or false"));
  }
  HYDRA_CO_TRY(const auto row, find_node(*nodes->sources.catalog, call["node"]));
  HYDRA_CO_TRY(const auto changed, co_await nodes->membership.change(row.id, std::move(change)));
  co_return row_json(changed);
}

Task<Result<Json>> remove_node(Shared nodes, const Call& call) {
  const Json& body = call.body;
  HYDRA_CO_CHECK_OK(only_members(body, {"lost"}));
  HYDRA_CO_TRY(const bool lost,
               member<bool>(body, "lost", false, body.contains("lost") && body["lost"].is_boolean(),
                            "true or false"));
  HYDRA_CO_TRY(const auto row, find_node(*nodes->sources.catalog, call["node"]));
  HYDRA_CO_TRY(const auto removed, co_await nodes->membership.remove(row.id, lost));
  co_return row_json(removed);
}

}  // namespace

void add_node_routes(Routes& routes, NodeSources sources) {
  const auto nodes = std::make_shared<const NodeSources>(std::move(sources));
  const auto add = [&](const char* method, const char* pattern,
                       Task<Result<Json>> (*handler)(Shared, const Call&)) {
    routes.add(method, pattern,
               [nodes, handler](const Call& call) { return handler(nodes, call); });
  };
  add("GET", "/v1/nodes", list_nodes);
  add("POST", "/v1/nodes/token", make_token);
  add("GET", "/v1/nodes/{node}", show_node);
  add("POST", "/v1/nodes/{node}/set", set_node);
  add("POST", "/v1/nodes/{node}/remove", remove_node);
}

std::string address_for_nodes(const std::vector<Address>& listen,
                              const std::vector<std::string>& advertised, const std::string& host) {
  if (!advertised.empty()) return advertised.front();
  const auto tcp =
      std::ranges::find_if(listen, [](const Address& address) { return !address.is_unix(); });
  if (tcp == listen.end()) return listen.empty() ? std::string() : listen.front().text;
  const std::size_t colon = tcp->text.rfind(':');
  const std::string_view name = std::string_view(tcp->text).substr(0, colon);
  if (name != "0.0.0.0" && name != "[::]" && name != "*") return tcp->text;
  return host + tcp->text.substr(colon);
}

}  // namespace hydra::admin
