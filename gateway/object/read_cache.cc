#include "gateway/object/read_cache.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/crc32c.h"
#include "base/endian.h"
#include "gateway/object/window_fetch.h"
#include "placement/hash.h"

namespace hydra::object {

namespace {

constexpr Nanos kLookUpEvery = kSecond;
constexpr Nanos kReadPatience = 100 * kMillisecond;
constexpr Nanos kFillPatience = 5 * kSecond;
constexpr Nanos kFreePatience = 5 * kSecond;
constexpr std::size_t kMostFills = 8;
constexpr std::uint32_t kMostLapses = 3;  // in a row, then the node rests
constexpr Nanos kRest = 10 * kSecond;     // and twice as long each time it comes soon again
constexpr Nanos kLongestRest = 300 * kSecond;
constexpr Nanos kForgiven = 600 * kSecond;
// A node frees old entries when 5 % are left (nodeagent/cache_store.h), and then up to 10 % more.
constexpr double kFullBelow = 0.2;

std::uint64_t load_key(const ExtentId& entry, std::size_t half) {
  return load_le<std::uint64_t>(entry.bytes.data() + 8 * half);
}

std::uint64_t window_bytes(const catalog::Extent& extent, std::uint64_t window) {
  return std::min<std::uint64_t>(kWindowBytes, extent.length - window * kWindowBytes);
}

}  // namespace

ExtentId cache_entry(const ExtentId& extent, std::uint64_t window) {
  std::array<std::byte, 25> named{};
  std::ranges::copy(extent.bytes, named.begin());
  store_be(named.data() + 16, window);
  ExtentId entry;
  for (const std::uint8_t half : {0, 1}) {
    named[24] = std::byte{half};
    store_be(entry.bytes.data() + 8 * half, placement::xxh3(named));
  }
  entry.bytes[0] &= std::byte{0x7f};
  return entry;
}

struct ReadCache::Node {
  Use use;
  double share = 0;  // of the entries; 0: not there now
  bool full = false;
  std::uint32_t lapses = 0;  // in a row
  Nanos rests_until = 0;
  Nanos last_rest = 0;  // how long it was

  void rest(Nanos now) {
    const bool forgiven = last_rest == 0 || now - rests_until >= kForgiven;
    last_rest = forgiven ? kRest : std::min(2 * last_rest, kLongestRest);
    rests_until = now + last_rest;
    lapses = 0;
  }
  void lapse(Nanos now) {
    ++use.lapses;
    if (now < rests_until) return;  // it was asked before that
    if (++lapses >= kMostLapses) rest(now);
  }
};

struct ReadCache::State {
  Loop& loop;
  agent::Grid& grid;
  std::map<NodeId, Node> nodes;
  std::set<ExtentId> filling;
};

// Entries that a full node was asked for in vain lately: a table that forgets by being written
// over.
class ReadCache::Missed {
 public:
  // True when it was here; else it is now.
  bool again(const ExtentId& entry) {
    std::uint32_t& slot = slots_[load_key(entry, 0) % slots_.size()];
    const auto tag = static_cast<std::uint32_t>(load_key(entry, 1)) | 1;
    return std::exchange(slot, tag) == tag;
  }

 private:
  std::array<std::uint32_t, 1u << 16> slots_{};  // 0: empty
};

ReadCache::ReadCache(Loop& loop, agent::Grid& grid, Roster roster)
    : roster_(std::move(roster)), state_(std::make_shared<State>(State{loop, grid, {}, {}})) {}

ReadCache::~ReadCache() = default;

bool ReadCache::present() {
  const Nanos now = state_->loop.now();
  if (!looked_up_ || now - *looked_up_ >= kLookUpEvery) {
    looked_up_ = now;
    look_up();
  }
  return present_;
}

void ReadCache::look_up() {
  present_ = false;
  for (auto& [id, node] : state_->nodes) node.share = 0;
  const auto rows = roster_();
  if (!rows) return;  // reads will tell what ails the catalog
  std::map<NodeId, double> shares;
  for (const auto& row : *rows)
    if (!row.removed && !row.draining && row.role == agent::NodeRole::kCache)
      shares[row.id] = static_cast<double>(row.capacity_bytes) * row.weight;
  if (shares.empty()) return;
  for (const auto& view : state_->grid.nodes()) {
    const auto found = shares.find(view.id);
    if (found == shares.end() || found->second <= 0 || view.load.fenced ||
        view.state != agent::NodeState::kHealthy)
      continue;
    Node& node = state_->nodes[view.id];
    node.share = found->second;
    node.full = static_cast<double>(view.load.free_bytes) <
                kFullBelow * static_cast<double>(view.load.capacity_bytes);
    present_ = true;
  }
}

// 0: there is none.
NodeId ReadCache::owner_of(const ExtentId& entry) const {
  NodeId best = 0;
  double best_score = 0;
  for (const auto& [id, node] : state_->nodes) {
    if (node.share <= 0) continue;
    const double score = placement::rendezvous_score(
        load_key(entry, 0), static_cast<std::uint32_t>(load_key(entry, 1)), id, node.share);
    if (best != 0 && score >= best_score) continue;
    best = id;
    best_score = score;
  }
  return best;
}

// Its owner, or 0 when that rests or has no link. Nobody stands in for it: its entries would move.
NodeId ReadCache::to_ask_for(const ExtentId& entry) const {
  const NodeId owner = owner_of(entry);
  if (owner == 0 || state_->loop.now() < state_->nodes.at(owner).rests_until) return 0;
  return state_->grid.usable(owner) ? owner : 0;
}

Task<std::optional<Buffer>> ReadCache::read(ExtentId extent, std::uint64_t offset,
                                            std::uint64_t length) {
  const ExtentId entry = cache_entry(extent, offset / kWindowBytes);
  const NodeId id = to_ask_for(entry);
  if (id == 0) co_return std::nullopt;
  Loop& loop = state_->loop;
  auto bytes = co_await state_->grid.read(id, ShardId{entry, 0}, offset % kWindowBytes, length,
                                          loop.after(kReadPatience));
  Node& node = state_->nodes.at(id);
  const bool whole = bytes && bytes->size() == length;
  const Code code = bytes ? Code::kCorrupt : bytes.error().code;
  if (whole) {
    ++node.use.hits;
    node.use.hit_bytes += length;
  } else {
    ++node.use.misses;
  }
  if (whole || code == Code::kNotFound)
    node.lapses = 0;
  else if (code != Code::kUnavailable)
    node.lapse(loop.now());  // a lost link costs no time
  if (!whole && code == Code::kCorrupt) forget(id, entry);
  if (!whole) co_return std::nullopt;
  co_return std::move(*bytes);
}

bool ReadCache::admits(const Node& node, const ExtentId& entry) {
  if (!node.full) return true;
  if (missed_ == nullptr) missed_ = std::make_unique<Missed>();
  return missed_->again(entry);
}

void ReadCache::offer(const catalog::Extent& extent, std::uint64_t offset,
                      std::span<const ByteView> bytes) {
  const std::uint64_t window = offset / kWindowBytes;
  std::uint64_t length = 0;
  for (const ByteView view : bytes) length += view.size();
  if (length != window_bytes(extent, window)) return;
  const ExtentId entry = cache_entry(extent.id, window);
  const NodeId id = to_ask_for(entry);
  if (id == 0 || state_->filling.contains(entry)) return;
  Node& node = state_->nodes.at(id);
  if (!admits(node, entry)) return;
  if (state_->filling.size() >= kMostFills) {
    ++node.use.dropped;
    return;
  }
  const auto layout = erasure::Layout::of({1, 1}, length);
  HYDRA_ASSERT(layout.has_value());
  Buffer block(layout->block_size(0));
  for (const ByteView view : bytes) block.append(view);
  block.resize(block.capacity());
  std::fill(block.data() + length, block.data() + block.size(), std::byte{0});
  state_->filling.insert(entry);
  state_->loop.spawn(fill(state_, id, entry, state_->grid.write(id, ShardId{entry, 0}, *layout),
                          std::move(block)));
}

Task<void> ReadCache::fill(std::shared_ptr<State> state, NodeId id, ExtentId entry,
                           std::unique_ptr<agent::ShardWriter> writer, Buffer block) {
  const Status stored = co_await writer->append(block.view(), crc32c(block.view()), true,
                                                state->loop.after(kFillPatience));
  state->filling.erase(entry);
  Node& node = state->nodes.at(id);
  ++(stored ? node.use.filled : node.use.dropped);
  if (!stored && stored.error().code == Code::kTimeout) node.lapse(state->loop.now());
}

namespace {
Task<void> free_entry(agent::Grid& grid, NodeId node, ExtentId entry, Deadline deadline) {
  // An entry that stays is found wrong again.
  (void)co_await grid.free(node, {ShardId{entry, 0}}, deadline);
}
}  // namespace

void ReadCache::forget(NodeId node, const ExtentId& entry) {
  Loop& loop = state_->loop;
  loop.spawn(free_entry(state_->grid, node, entry, loop.after(kFreePatience)));
}

void ReadCache::distrust(const ExtentId& extent, std::uint64_t offset) {
  const ExtentId entry = cache_entry(extent, offset / kWindowBytes);
  const NodeId id = owner_of(entry);
  if (id == 0) return;
  Node& node = state_->nodes.at(id);
  ++node.use.wrong;
  if (state_->loop.now() >= node.rests_until) node.rest(state_->loop.now());
  forget(id, entry);
}

std::map<NodeId, ReadCache::Use> ReadCache::use() const {
  std::map<NodeId, Use> found;
  for (const auto& [id, node] : state_->nodes) found[id] = node.use;
  return found;
}

std::size_t ReadCache::filling() const { return state_->filling.size(); }

}  // namespace hydra::object
