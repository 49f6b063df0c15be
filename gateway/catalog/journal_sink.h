// JournalSink: where the writer hands each commit, so that it reaches the grid before it is
// acknowledged (invariant 9). docs/FORMAT-journal.md tells the order of things; gateway/journal has
// the only real one.
//
// For each batch of closures, on the writer thread: admit_clients(), then inside of the transaction
// stage(), then staged(). Commits reach the journal in their order.
#pragma once

#include <functional>

#include "base/kv/kv.h"
#include "base/result.h"
#include "gateway/catalog/change.h"

namespace hydra::catalog {

class JournalSink {
 public:
  virtual ~JournalSink() = default;

  // Whether closures of clients may run now. kUnavailable: the journal could not take what they
  // would change.
  virtual Status admit_clients() = 0;
  // `transaction` holds `batch` and is about to commit. Adds the journal's own rows to it; an error
  // undoes all.
  virtual Status stage(const Change::Batch& batch, kv::Transaction& transaction) = 0;
  // How the transaction of the last stage() ended: it is durable here, or nothing of it is left.
  virtual void staged(bool durable) = 0;
  // Calls `then` once, on any thread and perhaps before it returns: without error when all that was
  // committed so far is in the journal, with kInternal when that takes too long. In the order of
  // the calls.
  virtual void when_safe(std::function<void(const Status&)> then) = 0;
};

// Whose change a closure makes. A client's result is given only when all that was committed before
// it is in the journal; with too few nodes for the journal his closures are refused. The grid's own
// changes (a node joins) are what brings those nodes back: they are made at once, and reach the
// journal when it can take them.
enum class Origin { kClient, kInternal };

}  // namespace hydra::catalog
