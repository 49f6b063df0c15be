#include "gateway/admin/object_routes.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/encoding.h"
#include "gateway/heal/walk.h"

namespace hydra::admin {

namespace {

constexpr std::size_t kMostExtents = 1000;
constexpr std::size_t kAskedAtOnce = 64;         // shards
constexpr Nanos kInfoPatience = 2 * kSecond;     // with each node
constexpr Nanos kVerifyPatience = 30 * kSecond;  // with each shard
constexpr Nanos kWholePatience = 100 * kSecond;  // after that the rest is unreachable

struct ShardState {
  std::string_view word = "unreachable";
  std::string error;
};

ShardState state_of(const Status& answer) {
  if (answer) return {"present", {}};
  const std::string text = answer.error().to_string();
  if (answer.error().code == Code::kNotFound) return {"missing", text};
  if (answer.error().code == Code::kCorrupt) return {"corrupt", text};
  return {"unreachable", text};
}

// Asks the nodes for the shards of some extents, side by side.
class Survey {
 public:
  Survey(Loop& loop, agent::Grid& grid, bool verify)
      : loop_(loop),
        grid_(grid),
        verify_(verify),
        group_(loop),
        turns_(loop, kAskedAtOnce),
        end_(loop.after(kWholePatience)) {}

  // Both outlive the survey.
  void ask(const catalog::Extent& extent, std::vector<ShardState>& states) {
    states.resize(extent.nodes.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (extent.lacks(i))
        states[i] = {"missing", "the catalog waits for its repair"};
      else
        group_.spawn(ask_one(this, &extent, i, &states[i]));
    }
  }
  Task<bool> finished() { return group_.join(); }

 private:
  static Task<void> ask_one(Survey* self, const catalog::Extent* extent, std::size_t index,
                            ShardState* state) {
    const auto turn = co_await self->turns_.acquire(1, self->end_);
    if (!turn) {
      *state = {"unreachable", "there was no time left to ask"};
      co_return;
    }
    const ShardId shard = extent->shard(index);
    const NodeId node = extent->nodes[index];
    const Nanos patience = self->verify_ ? kVerifyPatience : kInfoPatience;
    const Deadline deadline{std::min(self->loop_.now() + patience, self->end_.at)};
    if (self->verify_) {
      *state = state_of(co_await self->grid_.verify(node, shard, deadline));
    } else {
      const auto info = co_await self->grid_.info(node, shard, deadline);
      *state = state_of(info ? Status() : fail(info.error()));
    }
  }

  Loop& loop_;
  agent::Grid& grid_;
  bool verify_;
  TaskGroup group_;
  Semaphore turns_;
  Deadline end_;
};

// `verified_ms`: those that are present were verified then; 0: not known.
Json write_shards(const catalog::Extent& extent, const std::vector<ShardState>& states,
                  const std::map<NodeId, catalog::NodeRow>& nodes, std::int64_t verified_ms) {
  Json shards = Json::array();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto node = nodes.find(extent.nodes[i]);
    const bool known = node != nodes.end();
    shards.push_back({{"index", i},
                      {"node", extent.nodes[i]},
                      {"name", known ? Json(node->second.name) : Json()},
                      {"zone", known ? Json(node->second.zone) : Json()},
                      {"state", states[i].word},
                      {"verified", verified_ms != 0 && states[i].word == "present"
                                       ? Json(format_iso8601(verified_ms))
                                       : Json()},
                      {"error", states[i].error.empty() ? Json() : Json(states[i].error)}});
  }
  return shards;
}

Json write_extent(const catalog::Extent& extent) {
  return {{"id", extent.id.to_string()},
          {"profile", extent.profile.to_string()},
          {"wanted", extent.wanted.to_string()},
          {"bytes", extent.length}};
}

Task<Result<Json>> survey_extents(const Sources& sources, Loop& loop,
                                  std::span<const catalog::Extent> extents, bool verify) {
  HYDRA_CO_TRY(const auto rows, sources.catalog->nodes());
  HYDRA_CO_TRY(const auto scrub, sources.catalog->walk(heal::kScrubWalk));
  std::map<NodeId, catalog::NodeRow> nodes;
  for (const auto& row : rows) nodes.emplace(row.id, row);
  std::vector<std::vector<ShardState>> states(extents.size());
  Survey survey(loop, *sources.workers.front().grid, verify);
  for (std::size_t i = 0; i < extents.size(); ++i) survey.ask(extents[i], states[i]);
  co_await survey.finished();
  Json list = Json::array();
  for (std::size_t i = 0; i < extents.size(); ++i) {
    Json extent = write_extent(extents[i]);
    const auto present = std::ranges::count(states[i], "present", &ShardState::word);
    extent["spare"] = present - extents[i].profile.k;
    const auto scrubbed =
        scrub ? heal::last_verified(*scrub, extents[i].id).value_or(0) : std::int64_t{0};
    extent["shards"] =
        write_shards(extents[i], states[i], nodes, verify ? loop.wall_ms() : scrubbed);
    list.push_back(std::move(extent));
  }
  co_return list;
}

Task<Result<Json>> show_object(const Sources& sources, const Call& call) {
  HYDRA_ASSERT(&call.loop == sources.workers.front().loop);
  std::uint64_t after = 0;
  const std::string_view skip = call.option("after");
  if (!skip.empty() && std::from_chars(skip.data(), skip.data() + skip.size(), after).ptr !=
                           skip.data() + skip.size())
    co_return fail(Code::kInvalidArgument, "after is no number");
  HYDRA_CO_TRY(const auto bucket, sources.catalog->bucket(call.option("bucket")));
  const auto whole = [](const catalog::Version& version) {
    return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, version.bytes));
  };
  HYDRA_CO_TRY(const auto found, sources.catalog->object_and_plan(bucket.id, call.option("key"),
                                                                  whole, call.option("version")));
  const auto& [version, plan] = found;
  const auto begin = std::min<std::size_t>(after, plan.extents.size());
  const auto extents =
      std::span(plan.extents).subspan(begin, std::min(kMostExtents, plan.extents.size() - begin));
  Json list = Json::array();
  if (call.query.contains("shards") || call.query.contains("verify")) {
    HYDRA_CO_TRY(
        list, co_await survey_extents(sources, call.loop, extents, call.query.contains("verify")));
  } else {
    for (const auto& extent : extents) list.push_back(write_extent(extent));
  }
  co_return Json{{"bucket", bucket.name},
                 {"key", version.key},
                 {"version_id", version.version_id},
                 {"bytes", version.bytes},
                 {"etag", version.etag},
                 {"modified", format_iso8601(version.modified_ms)},
                 {"extent_count", plan.extents.size()},
                 {"truncated", begin + extents.size() < plan.extents.size()},
                 {"extents", std::move(list)}};
}

}  // namespace

void add_object_routes(Routes& routes, const Sources& sources) {
  routes.add("GET", "/v1/object",
             [&sources](const Call& call) { return show_object(sources, call); });
}

}  // namespace hydra::admin
