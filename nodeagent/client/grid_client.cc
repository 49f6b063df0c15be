#include "nodeagent/client/grid_client.h"

#include <algorithm>
#include <utility>

#include "nodeagent/client/link_shard_writer.h"
#include "nodeagent/client/node_link.h"

namespace hydra::agent {

namespace {

// Reads up to this size count in a node's latency: the time of larger ones says more about their
// length.
constexpr std::uint64_t kSmallReadBytes = 256u << 10;

Result<ShardInfo> to_shard_info(const ListedShard& entry) {
  HYDRA_TRY(const auto layout, erasure::Layout::of(entry.profile, entry.extent_length));
  return ShardInfo{entry.shard, layout, layout.shard_bytes()};
}

// A request without bulk, and the fields of its answer.
Task<Result<std::string>> ask(std::shared_ptr<NodeLink> link, NodeId node, FrameType type,
                              FrameType reply, std::string fields, Deadline deadline) {
  if (link == nullptr) co_return fail(NodeLink::unavailable(node));
  const auto call = std::make_shared<Call>(reply);
  const std::uint64_t request_id = link->send(call, type, fields, deadline);
  const Status outcome = co_await NodeLink::outcome(link, request_id, call, deadline);
  link->node().reputation->ended(node, link->loop().now(), outcome);
  HYDRA_CO_CHECK_OK(outcome);
  co_return std::move(call->fields);
}

// The READs of one range, side by side, each into its part of one buffer.
struct RangeRead {
  std::vector<std::pair<std::uint64_t, std::shared_ptr<Call>>> calls;

  void send(NodeLink& link, ShardId shard, std::uint64_t offset,
            const std::shared_ptr<Buffer>& into, Deadline deadline) {
    for (std::size_t at = 0; at < into->size(); at += kMaxReadBytes) {
      auto call = std::make_shared<Call>(FrameType::kReadResult);
      call->into =
          into->span().subspan(at, std::min<std::size_t>(kMaxReadBytes, into->size() - at));
      call->keep = into;
      const ReadRange range{shard, offset + at, static_cast<std::uint32_t>(call->into.size())};
      const auto request_id = link.send(call, FrameType::kRead, encode(range), deadline);
      calls.emplace_back(request_id, std::move(call));
    }
  }
  // How many bytes arrived; the shard may end inside the range.
  static Task<Result<std::size_t>> wait(std::shared_ptr<NodeLink> link, RangeRead& read,
                                        Deadline deadline) {
    std::size_t received = 0;
    bool ended = false;
    for (auto& [request_id, call] : read.calls) {
      HYDRA_CO_CHECK_OK(co_await NodeLink::outcome(link, request_id, call, deadline));
      if (ended && call->received > 0) co_return fail(Code::kCorrupt, "a shard with a gap");
      ended = ended || call->received < call->into.size();
      received += call->received;
    }
    co_return received;
  }
  void forget(NodeLink& link) {
    for (const auto& [request_id, call] : calls) link.forget(request_id);
  }
};

}  // namespace

GridClient::~GridClient() {
  for (auto& [id, node] : nodes_)
    if (const auto link = node->link) link->close("this worker ends");
}

void GridClient::adopt(std::unique_ptr<Stream> stream, NodeId id, NodeDescription description) {
  auto& node = nodes_[id];
  if (node == nullptr) node = std::make_shared<NodeRecord>();
  if (const auto old = node->link) old->close("replaced by a newer link");
  node->id = id;
  node->description = std::move(description);
  node->reputation = reputation_;
  // A cache node's peers are not those that hold shards: who reads from it judges it alone.
  if (node->description.role == NodeRole::kStorage) reputation_->link_up(id, loop_.now());
  node->last_heartbeat = node->linked_at = loop_.now();
  node->link = std::make_shared<NodeLink>(loop_, std::move(stream), node);
  node->link->start();
}

std::shared_ptr<NodeLink> GridClient::link_to(NodeId id) const {
  const auto found = nodes_.find(id);
  if (found == nodes_.end() || found->second->link == nullptr) return nullptr;
  return found->second->link->up() ? found->second->link : nullptr;
}

NodeState GridClient::state_of(const NodeRecord& node) const {
  if (node.link == nullptr || !node.link->up()) return NodeState::kDown;
  const Nanos age = loop_.now() - node.last_heartbeat;
  if (age >= kDownAfter) return NodeState::kDown;
  return age >= kSuspectAfter ? NodeState::kSuspect : NodeState::kHealthy;
}

void GridClient::expel(NodeId node) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  const auto record = found->second;  // the link's reader still looks at it
  nodes_.erase(found);
  if (const auto link = record->link) link->close("the node was removed from the grid");
}

bool GridClient::usable(NodeId id) const {
  const auto found = nodes_.find(id);
  return found != nodes_.end() && state_of(*found->second) == NodeState::kHealthy;
}

std::vector<NodeView> GridClient::nodes() const {
  std::vector<NodeView> views;
  views.reserve(nodes_.size());
  for (const auto& [id, node] : nodes_) {
    NodeView view;
    view.id = id;
    view.description = node->description;
    view.load = node->load;
    view.state = state_of(*node);
    view.last_heartbeat = node->last_heartbeat;
    view.linked_at = node->linked_at;
    view.latency_p50 = node->small_reads.quantile(0.5);
    view.latency_p95 = node->small_reads.quantile(0.95);
    view.score = reputation_->score(id, loop_.now());
    views.push_back(std::move(view));
  }
  return views;
}

Nanos GridClient::latency_p95(NodeId id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? 0 : found->second->small_reads.quantile(0.95);
}

bool GridClient::ask_first(NodeId node) {
  return usable(node) && reputation_->ask_first(node, loop_.now());
}

bool GridClient::takes_new(NodeId node) {
  return usable(node) && reputation_->takes_new(node, loop_.now());
}

double GridClient::score(NodeId node) const { return reputation_->score(node, loop_.now()).score; }

std::unique_ptr<ShardWriter> GridClient::write(NodeId node, ShardId shard, erasure::Layout layout) {
  return std::make_unique<LinkShardWriter>(link_to(node), node, shard, layout);
}

Task<Result<Buffer>> GridClient::read(NodeId node, ShardId shard, std::uint64_t offset,
                                      std::uint64_t length, Deadline deadline) {
  const auto link = link_to(node);
  if (link == nullptr) co_return fail(NodeLink::unavailable(node));
  if (length == 0) co_return Buffer();
  if (length > erasure::kMaxExtentBytes || offset > erasure::kMaxExtentBytes)
    co_return fail(Code::kTooLarge, "no shard reaches so far");

  const Nanos begun = loop_.now();
  const auto bytes = std::make_shared<Buffer>(length);
  bytes->resize(length);
  RangeRead range;
  range.send(*link, shard, offset, bytes, deadline);
  const auto received = co_await RangeRead::wait(link, range, deadline);
  range.forget(*link);

  NodeRecord& record = link->node();
  record.reputation->ended(node, link->loop().now(), received ? Status() : fail(received.error()));
  const bool timed_out = !received && received.error().code == Code::kTimeout;
  if (length <= kSmallReadBytes && (received || timed_out)) {
    const Nanos now = link->loop().now();
    record.small_reads.record(now - begun);
    record.reputation->small_read(node, now, now - begun);
  }
  if (!received) co_return fail(received.error());
  bytes->resize(*received);
  co_return std::move(*bytes);
}

Task<Status> GridClient::free(NodeId node, std::vector<ShardId> shards, Deadline deadline) {
  const auto link = link_to(node);
  for (std::size_t at = 0; at < shards.size(); at += kMaxFreeShards) {
    const auto end = std::min(at + kMaxFreeShards, shards.size());
    FreeShards message;
    message.shards.assign(shards.begin() + static_cast<std::ptrdiff_t>(at),
                          shards.begin() + static_cast<std::ptrdiff_t>(end));
    HYDRA_CO_CHECK_OK(co_await ask(link, node, FrameType::kFree, FrameType::kFreeResult,
                                   encode(message), deadline));
  }
  co_return Status();
}

Task<Result<ShardInfo>> GridClient::info(NodeId node, ShardId shard, Deadline deadline) {
  HYDRA_CO_TRY(const std::string fields,
               co_await ask(link_to(node), node, FrameType::kInfo, FrameType::kInfoResult,
                            encode(ShardQuery{shard}), deadline));
  HYDRA_CO_TRY(const ListedShard entry, decode_listed_shard(as_bytes(fields)));
  co_return to_shard_info(entry);
}

Task<Status> GridClient::verify(NodeId node, ShardId shard, Deadline deadline) {
  HYDRA_CO_CHECK_OK(co_await ask(link_to(node), node, FrameType::kVerify, FrameType::kVerifyResult,
                                 encode(ShardQuery{shard}), deadline));
  co_return Status();
}

Task<Result<std::vector<ShardInfo>>> GridClient::list(NodeId node, std::optional<ShardId> after,
                                                      std::size_t limit, Deadline deadline) {
  std::vector<ShardInfo> found;
  while (found.size() < limit) {
    ListShards page;
    page.after = after;
    page.limit = static_cast<std::uint32_t>(std::min(limit - found.size(), kMaxListEntries));
    HYDRA_CO_TRY(const std::string fields,
                 co_await ask(link_to(node), node, FrameType::kList, FrameType::kListResult,
                              encode(page), deadline));
    HYDRA_CO_TRY(const ListResult result, decode_list_result(as_bytes(fields)));
    for (const ListedShard& entry : result.shards) {
      HYDRA_CO_TRY(ShardInfo info, to_shard_info(entry));
      after = info.id;
      found.push_back(std::move(info));
    }
    if (result.shards.size() < page.limit) break;
  }
  co_return found;
}

}  // namespace hydra::agent
