#include <gmock/gmock.h>

#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

using testing::SizeIs;

class GridRowsTest : public CatalogTest {
 protected:
  NodeRow join(NodeRow node) {
    auto joined = catalog_.wait([&](Loop& loop) { return catalog_->register_node(loop, node); });
    EXPECT_TRUE(joined);
    return *joined;
  }
  Status put_ring(std::uint64_t epoch, std::string encoded) {
    return catalog_.wait([&](Loop& loop) { return catalog_->put_ring(loop, epoch, encoded); });
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, GridRowsTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(GridRowsTest, NodesGetNumbersFromOneAndKeepThem) {
  NodeRow first{.identity = catalog_.new_id<NodeIdentity>(), .name = "n1", .zone = "z1"};
  NodeRow second{.identity = catalog_.new_id<NodeIdentity>(), .name = "n2", .zone = "z2"};
  EXPECT_EQ(join(first).id, 1u);
  EXPECT_EQ(join(second).id, 2u);
  catalog_.reopen();
  first.name = "renamed";
  first.capacity_bytes = 77;
  const NodeRow again = join(first);
  EXPECT_EQ(again.id, 1u);
  EXPECT_EQ(again.name, "renamed");
  const auto nodes = catalog_->nodes();
  ASSERT_TRUE(nodes);
  ASSERT_THAT(*nodes, SizeIs(2));
  EXPECT_EQ((*nodes)[0].capacity_bytes, 77u);
  EXPECT_EQ((*nodes)[0].identity, first.identity);
  EXPECT_EQ((*nodes)[1].zone, "z2");
}

TEST_P(GridRowsTest, OperatorsChangeNodesAndRemoveThemForGood) {
  const auto set = [&](NodeId id, NodeChange change) {
    return catalog_.wait([&](Loop& loop) { return catalog_->set_node(loop, id, change); });
  };
  NodeRow node{.identity = catalog_.new_id<NodeIdentity>(), .name = "n1", .zone = "z1"};
  ASSERT_EQ(join(node).id, 1u);
  EXPECT_EQ(code_of(set(2, {.weight = 1})), Code::kNotFound);
  EXPECT_EQ(code_of(set(1, {.weight = -1})), Code::kInvalidArgument);
  EXPECT_EQ(code_of(set(1, {.weight = 1001})), Code::kInvalidArgument);
  EXPECT_EQ(code_of(set(1, {.zone = std::string(256, 'z')})), Code::kInvalidArgument);

  ASSERT_TRUE(set(1, {.weight = 0.5, .draining = true}));
  EXPECT_EQ(join(node).zone, "z1");  // what the node says counts, until an operator says it
  node.zone = "z2";
  EXPECT_EQ(join(node).zone, "z2");
  ASSERT_TRUE(set(1, {.zone = "attic"}));
  EXPECT_EQ(join(node).zone, "attic");
  EXPECT_EQ((*catalog_->nodes())[0].weight, 0.5);
  EXPECT_TRUE((*catalog_->nodes())[0].draining);
  EXPECT_FALSE(set(1, {.draining = false})->draining);
  node.role = agent::NodeRole::kCache;
  EXPECT_EQ(code_of(catalog_.wait([&](Loop& l) { return catalog_->register_node(l, node); })),
            Code::kConflict);
  node.role = agent::NodeRole::kStorage;

  EXPECT_TRUE(set(1, {.remove = true})->removed);
  ASSERT_TRUE(set(1, {.remove = true}));
  catalog_.reopen();
  EXPECT_TRUE((*catalog_->nodes())[0].removed);
  EXPECT_EQ(code_of(set(1, {.draining = true})), Code::kConflict);
  EXPECT_EQ(code_of(catalog_.wait([&](Loop& l) { return catalog_->register_node(l, node); })),
            Code::kUnauthenticated);
}

class ClaimsTest : public GridRowsTest {
 protected:
  static constexpr std::int64_t kMinute = 60'000;
  ClaimRow make(int number) {
    ClaimRow claim;
    const std::string name = std::to_string(number);
    std::memcpy(claim.id.data(), name.data(), std::min(name.size(), claim.id.size()));
    claim.hash = sha256(as_bytes(name));
    claim.created_ms = catalog_.loop().wall_ms();
    claim.expires_ms = claim.created_ms + 15 * kMinute;
    return claim;
  }
  Status put(const ClaimRow& claim) {
    return catalog_.wait([&](Loop& loop) { return catalog_->put_claim(loop, claim); });
  }
  Result<NodeRow> use(const ClaimRow& claim, const NodeRow& node) {
    return catalog_.wait(
        [&](Loop& loop) { return catalog_->claim_node(loop, claim.id, claim.hash, node); });
  }
  void pass(std::int64_t ms) {
    catalog_.wait([ms](Loop& loop) { return rest(loop, ms); });
  }
  static Task<void> rest(Loop& loop, std::int64_t ms) {
    co_await sleep_for(loop, ms * kMillisecond);
  }
  NodeRow node(std::string name) {
    return {.identity = catalog_.new_id<NodeIdentity>(), .name = std::move(name)};
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, ClaimsTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(ClaimsTest, ATokenMakesOneNode) {
  const ClaimRow claim = make(1);
  ASSERT_TRUE(put(claim));
  const NodeRow first = node("first"), second = node("second");
  EXPECT_EQ(use(claim, first)->id, 1u);
  catalog_.reopen();
  EXPECT_EQ(use(claim, first)->id, 1u);  // the answer was lost
  const auto other = use(claim, second);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kUnauthenticated);
  EXPECT_THAT(other.error().message, testing::HasSubstr("has been used"));
  EXPECT_THAT(*catalog_->nodes(), SizeIs(1));

  join(first);  // its first link ends that
  EXPECT_EQ(code_of(use(claim, first)), Code::kUnauthenticated);
}

TEST_P(ClaimsTest, OfTwoRacersForATokenOneJoins) {
  const ClaimRow claim = make(1);
  ASSERT_TRUE(put(claim));
  std::vector<Task<Result<NodeRow>>> racers;
  for (const char* name : {"a", "b", "c"})
    racers.push_back(catalog_->claim_node(catalog_.loop(), claim.id, claim.hash, node(name)));
  const auto results = catalog_.wait_all(std::move(racers));
  EXPECT_EQ(std::ranges::count_if(results, [](const auto& r) { return r.has_value(); }), 1);
  EXPECT_THAT(*catalog_->nodes(), SizeIs(1));
}

TEST_P(ClaimsTest, WrongAndExpiredTokensMakeNone) {
  ClaimRow claim = make(1);
  EXPECT_EQ(code_of(use(claim, node("n"))), Code::kUnauthenticated);
  ASSERT_TRUE(put(claim));
  ClaimRow guessed = claim;
  guessed.hash[0] ^= std::byte{1};
  EXPECT_EQ(code_of(use(guessed, node("n"))), Code::kUnauthenticated);
  pass(15 * kMinute);
  const auto late = use(claim, node("n"));
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().message, testing::HasSubstr("has expired"));
  EXPECT_THAT(*catalog_->nodes(), SizeIs(0));
  ASSERT_TRUE(*catalog_->claim(claim.id));  // so that it can be told
  pass(kClaimMemoryMs + 1);
  ASSERT_TRUE(put(make(2)));
  EXPECT_FALSE(*catalog_->claim(claim.id));
}

TEST_P(ClaimsTest, OnlySoManyAreMadeAtATime) {
  for (int i = 0; i < static_cast<int>(kMaxFreshClaims); ++i) ASSERT_TRUE(put(make(i)));
  EXPECT_EQ(code_of(put(make(5000))), Code::kSlowDown);
  pass(15 * kMinute);
  EXPECT_TRUE(put(make(5000)));
}

TEST_P(GridRowsTest, RingsAreReplacedByCompareAndSwap) {
  EXPECT_EQ(*catalog_->ring(), std::nullopt);
  EXPECT_EQ(code_of(put_ring(2, "two")), Code::kConflict);
  EXPECT_TRUE(put_ring(1, "one"));
  EXPECT_EQ(code_of(put_ring(1, "other")), Code::kConflict);
  for (std::uint64_t epoch = 2; epoch <= 300; ++epoch)
    ASSERT_TRUE(put_ring(epoch, "ring " + std::to_string(epoch)));
  const auto newest = catalog_->ring();
  ASSERT_TRUE(newest && *newest);
  EXPECT_EQ((*newest)->first, 300u);
  EXPECT_EQ((*newest)->second, "ring 300");
}

TEST_P(GridRowsTest, OfTwoRacersForAnEpochOneWins) {
  std::vector<Task<Status>> racers;
  for (const char* ring : {"mine", "theirs"})
    racers.push_back(catalog_->put_ring(catalog_.loop(), 1, ring));
  const auto results = catalog_.wait_all(std::move(racers));
  EXPECT_TRUE(results[0]);
  EXPECT_EQ(code_of(results[1]), Code::kConflict);
}

}  // namespace
}  // namespace hydra::catalog
