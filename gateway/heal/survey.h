// Survey: a walk over all extents that puts into the queue what needs work, takes out what no
// longer does, and counts on its way.
//
// It reads the catalog in small pages off the loop and rests between them in proportion to the time
// they took. Belongs to one loop; one walk at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/heal/needs.h"

namespace hydra::heal {

// What a whole walk has seen.
struct Census {
  struct Count {
    std::uint64_t extents = 0, bytes = 0;
  };
  struct Held {
    std::uint64_t shards = 0, bytes = 0;
  };
  std::int64_t begun_ms = 0, ended_ms = 0;
  Count all;
  std::map<int, Count> lossy;    // extents with lost shards, by what is to spare; negative: lost
  Count waiting;                 // of these, for nodes to come back
  std::map<NodeId, Held> nodes;  // what the catalog says that each holds
  std::optional<int> smallest_spare;  // over all extents
};

struct SurveyOptions {
  std::size_t page = 512;  // extents looked at in one go
  int rest = 4;            // times what a page took
  Nanos least_rest = 2 * kMillisecond;
};

class Survey {
 public:
  Survey(Loop& loop, catalog::Catalog& catalog, SurveyOptions options)
      : loop_(loop), catalog_(catalog), options_(options) {}

  // `facts` is asked before each page; null ends the walk with kUnavailable.
  using FactsNow = std::function<std::shared_ptr<const Facts>()>;
  Task<Result<Census>> walk(FactsNow facts, Wishes wishes);
  std::uint64_t seen() const { return seen_; }  // extents, in this walk

 private:
  struct Page {
    Status status;
    std::vector<catalog::QueueItem> items;
    std::optional<ExtentId> next;
  };
  static Page look(catalog::Catalog& catalog, std::optional<ExtentId> after, std::size_t limit,
                   const Facts& facts, Wishes wishes, Census& census);

  Loop& loop_;
  catalog::Catalog& catalog_;
  SurveyOptions options_;
  std::uint64_t seen_ = 0;
};

}  // namespace hydra::heal
