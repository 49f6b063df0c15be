// Outbox: the JournalSink of a gateway: seals each commit of the catalog, keeps the record in the
// same commit until it lies on the agents, and lets clients hear of it only then.
//
// One a process, shared by the catalog's writer (its thread), and by Journal (the first loop),
// which carries the records to the agents. docs/FORMAT-journal.md tells what a crash between any
// two steps leaves. The state is one of
//   not begun   fewer than m+1 nodes have ever joined: nothing is recorded, nobody waits
//   no base     recorded, but no snapshot stands for what was before: clients wait for one
//   based       clients wait until their commits lie on m+1 agents
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/kv/kv.h"
#include "base/runtime/loop.h"
#include "gateway/catalog/journal_sink.h"
#include "gateway/journal/journal_format.h"
#include "gateway/journal/sealer.h"

namespace hydra::journal {

// One commit on its way to the agents.
struct SealedRecord {
  std::uint64_t sequence = 0;
  std::string bytes;
};
using RecordPtr = std::shared_ptr<const SealedRecord>;

struct OutboxOptions {
  std::size_t copies = 3;  // m + 1: the journal begins when so many nodes have joined
  // What may wait for the agents. Beyond that all of it is dropped and a new snapshot is needed.
  std::size_t max_records = 4096;
  std::size_t max_bytes = 128u << 20;
  std::size_t patience_ticks = 40;  // of those that wait, then kInternal
};

class Outbox final : public catalog::JournalSink {
 public:
  // Reads what an earlier process left. On the first loop, before the catalog is opened.
  static Result<std::shared_ptr<Outbox>> open(Loop& loop, kv::Store& store, Keys keys,
                                              OutboxOptions options);

  // On the writer's thread.
  Status admit_clients() override;
  Status stage(const catalog::Change::Batch& batch, kv::Transaction& transaction) override;
  void staged(bool durable) override;
  void when_safe(std::function<void(const Status&)> then) override;

  // On the first loop. `wake` is called, on any thread, when there is something to carry.
  void attach(std::function<void()> wake);
  std::vector<RecordPtr> take_unsent();
  void sent(std::uint64_t sequence);  // it lies on enough agents
  // A root stands for all commits up to `sequence`: nothing if there is a gap after it.
  void rooted(std::uint64_t sequence, std::uint64_t journal_bytes, std::uint64_t snapshot_bytes);
  void set_able(bool able) { lock()->able = able; }
  // Twice a second or so: refuses those who wait for too long, and tells the time for records.
  void tick(std::int64_t wall_ms);

  struct State {
    bool begun = false;
    bool based = false;
    bool able = true;            // the agents can take records
    std::uint64_t sequence = 0;  // of the last commit
    std::uint64_t safe = 0;      // up to here all lie on the agents
    std::uint64_t root = 0;      // the newest snapshot that counts
    std::uint64_t gap = 0;
    std::size_t waiting_records = 0;  // for the agents
    std::uint64_t bytes_since_root = 0;
    std::uint64_t root_bytes = 0;  // of that snapshot
  };
  State state() const;

 private:
  struct Waiter {
    std::uint64_t sequence;
    std::uint64_t tick;
    std::function<void(const Status&)> then;
  };
  // What the last stage() will have done once its transaction is durable.
  struct Staged {
    JournalRow row;
    RecordPtr record;  // null: all that waited was dropped
    std::size_t rows_erased = 0;
  };
  struct Inner {
    bool begun = false;
    bool able = true;
    JournalRow row;
    std::uint64_t root = 0, root_journal_bytes = 0, root_bytes = 0;
    std::uint64_t safe = 0;
    std::deque<RecordPtr> pending;  // after `safe`
    std::size_t pending_bytes = 0;
    std::size_t taken = 0;           // of `pending`, by take_unsent
    std::set<std::uint64_t> ahead;   // sent out of order
    std::deque<std::uint64_t> rows;  // of the table, oldest first
    std::deque<Waiter> waiters;
    std::uint64_t ticks = 0;
    std::int64_t wall_ms = 0;
    std::function<void()> wake;
    bool based() const { return root != 0 && root >= row.gap; }
  };
  // Inner with its mutex held.
  class Locked {
   public:
    Locked(std::mutex& mutex, Inner& inner) : guard_(mutex), inner_(inner) {}
    Inner* operator->() const { return &inner_; }

   private:
    std::unique_lock<std::mutex> guard_;
    Inner& inner_;
  };
  using Callbacks = std::vector<std::function<void(const Status&)>>;

  Outbox(Keys keys, NonceSource nonces, OutboxOptions options)
      : options_(options), sealer_(std::move(keys)), nonces_(nonces) {}
  Locked lock() const { return {mutex_, inner_}; }
  Status load(kv::Store& store, std::uint64_t first);
  Result<bool> begins(kv::Reader& reader) const;
  Status stage_rows(Inner& inner, std::string sealed, kv::Transaction& transaction);
  static void advance(Inner& inner);
  static Callbacks take_safe(Inner& inner);
  static void call(Callbacks callbacks, const Status& status);

  const OutboxOptions options_;
  // Of the writer's thread.
  Sealer sealer_;
  NonceSource nonces_;
  std::optional<ClusterId> cluster_;
  std::optional<Staged> staged_;

  mutable std::mutex mutex_;
  mutable Inner inner_;  // under mutex_
};

}  // namespace hydra::journal
