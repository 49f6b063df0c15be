#include "gateway/admin/layout_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "gateway/admin/layout_plan.h"

namespace hydra::admin {

namespace {

constexpr std::size_t kPage = 512;  // extents looked at in one turn

// One request about the layout, from its body to its answer.
struct Question {
  placement::ClusterMap roster;  // now
  std::vector<LayoutChange> changes;
  std::optional<placement::Ring> ring;  // as it would be
};

Result<NodeId> find_node(const placement::ClusterMap& roster, const Json& named) {
  if (named.is_number_integer()) {
    const auto id = named.get<std::int64_t>();
    if (id > 0 && id <= UINT32_MAX && roster.find(static_cast<NodeId>(id)) != nullptr)
      return static_cast<NodeId>(id);
    return fail(Code::kNotFound, fmt::format("there is no node {}", id));
  }
  if (!named.is_string()) return fail(Code::kInvalidArgument, "node is a number or a name");
  const auto name = named.get<std::string>();
  std::optional<NodeId> found;
  for (const auto& node : roster.nodes()) {
    if (node.name != name && std::to_string(node.id) != name) continue;
    if (found) return fail(Code::kInvalidArgument, name + " is not the name of one node only");
    found = node.id;
  }
  if (!found) return fail(Code::kNotFound, "there is no node " + name);
  return *found;
}

Result<LayoutChange> read_change(const placement::ClusterMap& roster, const Json& from) {
  if (!from.is_object() || !from.contains("node"))
    return fail(Code::kInvalidArgument, "a change is an object with a node");
  LayoutChange change;
  HYDRA_TRY(change.node, find_node(roster, from["node"]));
  for (const auto& [name, value] : from.items()) {
    if (name == "node") continue;
    if (name == "weight" && value.is_number())
      change.weight = value.get<double>();
    else if (name == "zone" && value.is_string())
      change.zone = value.get<std::string>();
    else if (name == "draining" && value.is_boolean())
      change.draining = value.get<bool>();
    else if (name == "remove" && value.is_boolean())
      change.remove = value.get<bool>();
    else
      return fail(Code::kInvalidArgument, "a change cannot have " + name + " so");
  }
  return change;
}

Result<Question> read_question(const Sources& sources, const Json& body) {
  const auto view = sources.board->current();
  if (view == nullptr) return fail(Code::kConflict, "no node has joined yet: there is no layout");
  Question question{view->map, {}, {}};
  const auto changes = body.find("changes");
  if (changes == body.end()) return question;
  if (!changes->is_array()) return fail(Code::kInvalidArgument, "changes is an array");
  for (const Json& item : *changes) {
    HYDRA_TRY(LayoutChange change, read_change(view->map, item));
    question.changes.push_back(std::move(change));
  }
  return question;
}

// The ring that the changes would make. Building it takes a while, so it is done off the loop.
Task<Status> build(const Sources& sources, Loop& loop, Question& question) {
  const auto view = sources.board->current();
  HYDRA_CO_TRY(auto map, changed(question.roster, question.changes));
  std::vector<erasure::Profile> profiles;
  for (const auto& table : view->ring.tables()) profiles.push_back(table.profile);
  Event built(loop);
  loop.offload(
      [&] {
        question.ring = placement::build_ring(map, profiles, &view->ring, view->ring.epoch() + 1);
      },
      [&] { built.set(); });
  co_await built.wait();
  co_return Status();
}

Task<Status> walk(catalog::Catalog& catalog, Loop& loop, LayoutPlan& plan) {
  std::optional<ExtentId> after;
  do {
    HYDRA_CO_TRY(const auto page, catalog.walk_extents(after, kPage));
    for (const auto& item : page.items) plan.add(item.extent);
    after = page.next;
    co_await yield(loop);
  } while (after);
  co_return Status();
}

std::vector<std::string> warnings(const Sources& sources, const Question& question,
                                  const LayoutPlan& plan) {
  std::vector<std::string> found;
  const auto& roster = question.ring->roster();
  const auto placed = static_cast<std::size_t>(std::ranges::count_if(
      roster.nodes(), [](const placement::Node& node) { return node.share() > 0; }));
  const auto profile = erasure::profile_for(sources.profile, placed);
  if (!profile)
    found.push_back(fmt::format("{} nodes are left, too few to write at all", placed));
  else if (*profile != sources.profile)
    found.push_back(fmt::format("{} nodes are left: new data would be written as {} instead of {}",
                                placed, profile->to_string(), sources.profile.to_string()));
  for (const auto& [id, load] : plan.nodes()) {
    const placement::Node* node = roster.find(id);
    if (node != nullptr && load.then_bytes > node->capacity_bytes)
      found.push_back(fmt::format("node {} would have to hold more than its capacity", node->name));
  }
  return found;
}

Json write_nodes(const Question& question, const LayoutPlan& plan) {
  Json list = Json::array();
  for (const auto& now : question.roster.nodes()) {
    const placement::Node* then = question.ring->roster().find(now.id);
    const placement::Node& node = then == nullptr ? now : *then;
    const auto load = plan.nodes().find(now.id);
    const NodeLoadPlan bytes = load == plan.nodes().end() ? NodeLoadPlan() : load->second;
    list.push_back({{"id", node.id},
                    {"name", node.name},
                    {"zone", node.zone},
                    {"weight", node.weight},
                    {"draining", node.draining},
                    {"removed", then == nullptr},
                    {"capacity_bytes", node.capacity_bytes},
                    {"now_bytes", bytes.now_bytes},
                    {"then_bytes", bytes.then_bytes},
                    {"in_bytes", bytes.in_bytes},
                    {"out_bytes", bytes.out_bytes}});
  }
  return list;
}

Task<Result<Json>> answer(const Sources& sources, Loop& loop, Question& question, double rate) {
  HYDRA_CO_CHECK_OK(co_await build(sources, loop, question));
  LayoutPlan plan(*question.ring);
  HYDRA_CO_CHECK_OK(co_await walk(*sources.catalog, loop, plan));
  Json seconds;
  if (rate > 0)
    seconds = static_cast<std::uint64_t>(static_cast<double>(plan.touched_bytes()) / rate + 1);
  co_return Json{{"epoch", question.ring->epoch() - 1},
                 {"profile", sources.profile.to_string()},
                 {"extents", plan.extents()},
                 {"moved_extents", plan.moved_extents()},
                 {"moved_shards", plan.moved_shards()},
                 {"moved_bytes", plan.moved_bytes()},
                 {"touched_bytes", plan.touched_bytes()},
                 {"rebuilt_bytes", plan.rebuilt_bytes()},
                 {"rate_bytes_per_second", static_cast<std::uint64_t>(rate)},
                 {"seconds", std::move(seconds)},
                 {"warnings", warnings(sources, question, plan)},
                 {"nodes", write_nodes(question, plan)}};
}

Task<Result<Json>> plan(const Sources& sources, const HealRate& rate, const Call& call) {
  HYDRA_CO_TRY(Question question, read_question(sources, call.body));
  co_return co_await answer(sources, call.loop, question, rate());
}

Task<Result<Json>> apply(const Sources& sources, object::Membership& membership,
                         const HealRate& rate, const Call& call) {
  HYDRA_CO_TRY(Question question, read_question(sources, call.body));
  for (const auto& change : question.changes)
    if (change.remove)
      co_return fail(Code::kInvalidArgument,
                     "a layout removes no nodes: drain it here, then use `hydractl node remove`");
  // What would be refused is found before anything changes.
  HYDRA_CO_TRY(Json told, co_await answer(sources, call.loop, question, rate()));
  for (const auto& change : question.changes) {
    catalog::NodeChange wanted;
    wanted.weight = change.weight;
    wanted.zone = change.zone;
    wanted.draining = change.draining;
    HYDRA_CO_CHECK_OK(co_await membership.change(change.node, std::move(wanted)));
  }
  co_return told;
}

}  // namespace

void add_layout_routes(Routes& routes, const Sources& sources, object::Membership& membership,
                       HealRate rate) {
  routes.add("GET", "/v1/layout",
             [&sources, rate](const Call& call) { return plan(sources, rate, call); });
  routes.add("POST", "/v1/layout/plan",
             [&sources, rate](const Call& call) { return plan(sources, rate, call); });
  routes.add("POST", "/v1/layout/apply", [&sources, &membership, rate](const Call& call) {
    return apply(sources, membership, rate, call);
  });
}

}  // namespace hydra::admin
