// Routes that ask the grid, over nodes in memory: what they answer, without a socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/kv/memory_store.h"
#include "base/runtime/sim/run_sim.h"
#include "base/runtime/text_body.h"
#include "gateway/admin/layout_routes.h"
#include "gateway/admin/object_routes.h"
#include "gateway/object/memory_grid_fixture.h"

namespace hydra::admin {
namespace {

using testing::HasSubstr;

constexpr NodeId kNodes = 7;
constexpr erasure::Profile k42 = {4, 2};

// Seven nodes, the ring of the catalog, and the routes over them.
struct World {
  explicit World(Loop& home)
      : loop(home),
        grid(home, kNodes),
        catalog(*catalog::Catalog::open(home,
                                        kv::open_memory(std::make_shared<kv::MemoryImage>(), {}))),
        keys(*object::KeyRing::parse(object::KeyRing::generate({}))),
        membership(home, *catalog, board, grid, {k42, {1, 2}}),
        store(home, grid, *catalog, board, keys, {}) {
    sources = {catalog.get(), &board, k42, {}, {{&home, &grid, &store, nullptr}}};
    add_object_routes(routes, sources);
    add_layout_routes(routes, sources, membership, [] { return 1e6; });
  }
  Task<Status> start() {
    for (NodeId id = 1; id <= kNodes; ++id) {
      agent::NodeDescription node;
      node.identity.bytes[0] = static_cast<std::byte>(id);
      node.name = "agent-" + std::to_string(id);
      node.zone = "zone-" + std::to_string(id % 3);
      node.capacity_bytes = 1u << 30;
      HYDRA_CO_CHECK_OK(co_await membership.link(std::move(node)));
    }
    co_await sleep_for(loop, 5 * kSecond);
    catalog::Bucket wanted;
    wanted.name = "bucket";
    HYDRA_CO_TRY(bucket, co_await catalog->create_bucket(loop, wanted));
    co_return co_await put("a key", 100'000);
  }
  Task<Status> put(std::string key, std::size_t bytes) {
    TextSource source(std::string(bytes, 'x'));
    HYDRA_CO_TRY(auto body, co_await store.receive(source, bytes));
    catalog::Version version;
    version.key = std::move(key);
    version.bytes = bytes;
    HYDRA_CO_CHECK_OK(
        co_await store.commit_object(bucket.id, std::move(version), std::move(body), {}));
    co_return Status();
  }
  Task<Result<Json>> ask(std::string method, std::string path, Parameters query,
                         Json body = Json::object()) {
    HYDRA_CO_TRY(auto match, routes.find(method, path));
    const Call call{loop, std::move(match.path), std::move(query), std::move(body)};
    co_return co_await (*match.handler)(call);
  }
  Task<Result<Json>> stat(std::string how) {
    return ask("GET", "/v1/object", {{"bucket", "bucket"}, {"key", "a key"}, {std::move(how), ""}});
  }

  Loop& loop;
  object::MemoryGrid grid;
  std::unique_ptr<catalog::Catalog> catalog;
  object::PlacementBoard board;
  object::KeyRing keys;
  object::Membership membership;
  object::ObjectStore store;
  catalog::Bucket bucket;
  Sources sources;
  Routes routes;
};

// Runs the test's body in a started world.
void in_world(const std::function<Task<Status>(World&)>& body) {
  const Status status = sim::run_sim(1, [&](Loop& loop) -> Task<Status> {
    World world(loop);
    HYDRA_CO_CHECK_OK(co_await world.start());
    co_return co_await body(world);
  });
  ASSERT_TRUE(status) << status.error().to_string();
}

TEST(ObjectRoute, TellsEachShardsNodeAndState) {
  in_world([](World& world) -> Task<Status> {
    HYDRA_CO_TRY(Json object, co_await world.stat("shards"));
    EXPECT_EQ(object["bytes"], 100'000);
    EXPECT_EQ(object["extent_count"], 1);
    const Json& extent = object["extents"][0];
    EXPECT_EQ(extent["profile"], "4+2");
    EXPECT_EQ(extent["spare"], 2);
    EXPECT_EQ(extent["shards"].size(), 6u);
    for (const Json& shard : extent["shards"]) {
      EXPECT_EQ(shard["state"], "present");
      EXPECT_EQ(shard["name"], "agent-" + std::to_string(shard["node"].get<int>()));
      EXPECT_THAT(shard["zone"].get<std::string>(), HasSubstr("zone-"));
    }
    co_return Status();
  });
}

TEST(ObjectRoute, LostDamagedAndUnreachableShardsAreToldApart) {
  in_world([](World& world) -> Task<Status> {
    HYDRA_CO_TRY(const Json before, co_await world.stat("shards"));
    const auto node_of = [&](int shard) {
      return before["extents"][0]["shards"][shard]["node"].get<NodeId>();
    };
    world.grid.node(node_of(0)).shards.clear();
    world.grid.node(node_of(1)).up = false;
    auto& third = world.grid.node(node_of(2));
    third.damaged.insert(third.shards.begin()->first);
    HYDRA_CO_TRY(const Json seen, co_await world.stat("shards"));
    HYDRA_CO_TRY(const Json checked, co_await world.stat("verify"));
    const auto state = [](const Json& object, int shard) {
      return object["extents"][0]["shards"][shard]["state"].get<std::string>();
    };
    EXPECT_EQ(state(seen, 0), "missing");
    EXPECT_EQ(state(seen, 1), "unreachable");
    EXPECT_EQ(state(seen, 2), "present");
    EXPECT_EQ(seen["extents"][0]["spare"], 0);
    EXPECT_EQ(state(checked, 2), "corrupt");
    EXPECT_EQ(checked["extents"][0]["spare"], -1);
    const auto verified = [](const Json& object, int shard) {
      return object["extents"][0]["shards"][shard]["verified"].is_string();
    };
    EXPECT_FALSE(verified(seen, 3));  // there was no scrub yet
    EXPECT_TRUE(verified(checked, 3));
    EXPECT_FALSE(verified(checked, 2));
    co_return Status();
  });
}

TEST(ObjectRoute, WhatIsNotThereIsNotFound) {
  in_world([](World& world) -> Task<Status> {
    const auto key =
        co_await world.ask("GET", "/v1/object", {{"bucket", "bucket"}, {"key", "other"}});
    EXPECT_EQ(key.error().code, Code::kNoSuchKey);
    const auto bucket = co_await world.ask("GET", "/v1/object", {{"bucket", "none"}, {"key", "k"}});
    EXPECT_EQ(bucket.error().code, Code::kNoSuchBucket);
    const auto page = co_await world.ask("GET", "/v1/object",
                                         {{"bucket", "bucket"}, {"key", "a key"}, {"after", "x"}});
    EXPECT_EQ(page.error().code, Code::kInvalidArgument);
    co_return Status();
  });
}

TEST(LayoutRoute, PlanChangesNothingAndApplyDoes) {
  in_world([](World& world) -> Task<Status> {
    for (int i = 0; i < 20; ++i)
      HYDRA_CO_CHECK_OK(co_await world.put("k" + std::to_string(i), 50'000));
    HYDRA_CO_TRY(const Json now, co_await world.ask("GET", "/v1/layout", {}));
    EXPECT_EQ(now["moved_bytes"], 0);
    EXPECT_EQ(now["extents"], 21);
    const Json change = {{"changes", Json::array({{{"node", "agent-3"}, {"draining", true}}})}};
    HYDRA_CO_TRY(const Json plan, co_await world.ask("POST", "/v1/layout/plan", {}, change));
    const Json& third = plan["nodes"][2];
    EXPECT_EQ(third["name"], "agent-3");
    EXPECT_GT(third["now_bytes"], 0);
    EXPECT_EQ(third["then_bytes"], 0);
    EXPECT_GE(plan["moved_bytes"], third["now_bytes"]);
    EXPECT_GE(plan["seconds"], 1);
    co_await sleep_for(world.loop, 5 * kSecond);
    EXPECT_EQ(world.board.current()->ring.epoch(), plan["epoch"].get<std::uint64_t>());
    HYDRA_CO_CHECK_OK(co_await world.ask("POST", "/v1/layout/apply", {}, change));
    co_await sleep_for(world.loop, 5 * kSecond);
    EXPECT_EQ(world.board.current()->ring.epoch(), plan["epoch"].get<std::uint64_t>() + 1);
    EXPECT_TRUE(world.board.current()->map.find(3)->draining);
    // What is to move now is what the plan said.
    HYDRA_CO_TRY(const Json after, co_await world.ask("GET", "/v1/layout", {}));
    EXPECT_EQ(after["moved_bytes"], plan["moved_bytes"]);
    co_return Status();
  });
}

TEST(LayoutRoute, TooFewNodesAreWarnedOf) {
  in_world([](World& world) -> Task<Status> {
    const Json change = {{"changes", Json::array({{{"node", 1}, {"remove", true}},
                                                  {{"node", 2}, {"draining", true}}})}};
    HYDRA_CO_TRY(const Json plan, co_await world.ask("POST", "/v1/layout/plan", {}, change));
    EXPECT_EQ(plan["warnings"].size(), 1u);
    EXPECT_THAT(plan["warnings"][0].get<std::string>(), HasSubstr("3+2 instead of 4+2"));
    co_return Status();
  });
}

TEST(LayoutRoute, WrongChangesAreRefusedAndNothingChanges) {
  in_world([](World& world) -> Task<Status> {
    for (const char* wrong :
         {R"({"changes": 1})", R"({"changes": [1]})", R"({"changes": [{"weight": 1}]})",
          R"({"changes": [{"node": 1, "weight": "x"}]})",
          R"({"changes": [{"node": 1, "wait": 1}]})",
          R"({"changes": [{"node": 2, "draining": true}, {"node": 1, "weight": -1}]})",
          R"({"changes": [{"node": 1, "remove": true}]})"}) {
      const auto answer = co_await world.ask("POST", "/v1/layout/apply", {}, Json::parse(wrong));
      EXPECT_EQ(answer ? Code::kInternal : answer.error().code, Code::kInvalidArgument) << wrong;
    }
    const auto unknown = co_await world.ask("POST", "/v1/layout/plan", {},
                                            Json::parse(R"({"changes": [{"node": "attic"}]})"));
    EXPECT_EQ(unknown.error().code, Code::kNotFound);
    HYDRA_CO_TRY(const auto rows, world.catalog->nodes());
    for (const auto& row : rows) EXPECT_FALSE(row.draining);
    co_return Status();
  });
}

}  // namespace
}  // namespace hydra::admin
