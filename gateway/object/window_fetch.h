// WindowFetch: brings one run of an extent's ciphertext from its nodes, decoding around what is
// lost or slow.
//
// First the data shards that hold the run are asked for just their bytes. When one is known to be
// missing, lies on a node that is ejected from reads (reputation.h), fails, or is slower than it
// should be, the same columns are asked for from others, and any k of them give the run. Ejected
// nodes and those that seem to be away are asked when too few others are left; when too few can be
// reached at all it waits a moment for links that were cut to come back. Where there are cache
// nodes they are asked before all that (read_cache.h). Started once, awaited once; belongs to one
// worker and keeps itself alive while reads are under way.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/runtime/sync.h"
#include "erasure/codec.h"
#include "erasure/layout.h"
#include "gateway/catalog/rows.h"
#include "gateway/heal/notices.h"
#include "nodeagent/client/grid.h"

namespace hydra::object {

class ReadCache;

// A run that is fetched at once ends where the extent's next multiple of this begins; a whole one
// is a *window*.
constexpr std::uint64_t kWindowBytes = erasure::kStripeDataBytes;

struct FetchTimes {
  Nanos timeout;      // of one read from a node
  Nanos hedge_after;  // then a slow read gets company, if `may_hedge`
};

class WindowFetch : public std::enable_shared_from_this<WindowFetch> {
 public:
  // Bytes [offset, offset + length) of the extent. Shards that their nodes do not have, or have
  // damaged, are told to `broken`, which may be null.
  WindowFetch(Loop& loop, agent::Grid& grid, FetchTimes times, bool may_hedge,
              const catalog::Extent& extent, std::uint64_t offset, std::uint64_t length,
              heal::BrokenShards* broken);

  // Before start(): the run lies within one window, and this is asked first.
  void ask_first(ReadCache& cache) { cache_ = &cache; }
  void start();
  // kUnavailable when fewer than k shards can be had, with the last node's error.
  Task<Status> wait();

  // After wait() was OK: the run as views in order, valid while this object lives.
  std::vector<ByteView> views() const;
  bool degraded() const { return degraded_; }
  bool hedged() const { return hedged_; }
  bool from_cache() const { return cached_.has_value(); }
  // Its bytes proved right: the cache may keep what it did not have.
  void offer_to_cache() const;

 private:
  enum class State : std::uint8_t { kReading, kRead, kFailed };
  enum class Choice : std::uint8_t {  // what is to be expected of a shard, the best last
    kNone,                            // the catalog says that it is missing
    kRecorded,                        // its node seems to be away
    kAnswers,
    kQuick,  // and its node is to be asked first
  };
  struct Columns {  // a byte range of a shard
    std::uint64_t begin = 0, end = 0;
    bool covers(const Columns& other) const { return begin <= other.begin && other.end <= end; }
  };
  struct Read {
    std::uint8_t index;
    Columns columns;
    State state = State::kReading;
    bool away = false;  // failed because its node cannot be reached
    Buffer bytes;
  };
  struct Need {  // of a data shard
    std::uint8_t index;
    Columns columns;
  };

  static Task<void> run(std::shared_ptr<WindowFetch> self);
  static Task<void> read(std::shared_ptr<WindowFetch> self, std::size_t slot);
  void begin_read(std::uint8_t index, Columns columns);
  const Read* find(std::uint8_t index, const Columns& columns, State state) const;
  void look_at_nodes();
  bool is_quick(std::size_t index);
  bool all_needs_met() const;
  bool any_failed() const;
  std::size_t with_union(State state) const;
  bool begin_other();
  Task<bool> node_came_back(Deadline patience);
  Status decode();
  Task<Status> collect();

  Loop& loop_;
  agent::Grid& grid_;
  FetchTimes times_;
  bool may_hedge_;
  bool hedged_ = false;
  bool degraded_ = false;
  catalog::Extent extent_;
  heal::BrokenShards* broken_;
  erasure::Layout layout_;
  std::uint64_t offset_, length_;
  ReadCache* cache_ = nullptr;
  std::optional<Buffer> cached_;  // all of the run
  std::vector<Choice> choices_;   // by shard
  std::vector<erasure::Piece> pieces_;
  std::vector<Need> needs_;
  Columns union_;
  std::vector<std::unique_ptr<Read>> reads_;
  std::optional<Error> last_error_;
  Event progress_;
  Event done_;
  Status result_;
};

}  // namespace hydra::object
