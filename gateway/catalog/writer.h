// Writer: runs closures one after another on one background thread; those that wait at the same
// moment share one transaction and one durable commit. A closure that fails leaves nothing behind.
// Results are handed out only after the commit; if that fails, every closure of the batch gets its
// error instead, because even a refusal may rest on what an earlier one did, and nothing of the
// batch is visible. With a JournalSink, results of clients are handed out, in order, only when all
// that was committed is in the journal, too; meanwhile the next batches run.
//
// run() may be called from any loop. Destroying the writer drops what has not started; the tasks
// that wait for it never resume. So destroy it when no task waits, or together with the loops of
// those that do, and before them.
#pragma once

#include <coroutine>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/kv/kv.h"
#include "base/result.h"
#include "base/runtime/loop.h"
#include "gateway/catalog/change.h"
#include "gateway/catalog/journal_sink.h"

namespace hydra::catalog {

class Writer {
 public:
  // A commit carries at most so many closures, and takes no more once their writes reach so many
  // bytes.
  static constexpr std::size_t kMaxClosures = 256;
  static constexpr std::size_t kMaxBatchBytes = 8u << 20;

  // The store is not owned and must outlive the writer. Without a sink there is no journal.
  Writer(Loop& loop, kv::Store& store, std::shared_ptr<JournalSink> sink = nullptr);
  ~Writer();

  // Runs work(Change&) -> Result<T> on the writer thread and returns its result on `loop`, the
  // caller's own, when it is durable. `work` must own what it uses. kInternal: it is durable here,
  // but the journal has not taken it yet; it will.
  template <typename Work>
  Task<std::invoke_result_t<Work&, Change&>> run(Loop& loop, Work work,
                                                 Origin origin = Origin::kClient) {
    auto closure = std::make_shared<Closure<Work>>(loop, origin, std::move(work));
    co_await Waiting{*this, closure};
    co_return std::move(*closure->result);
  }

 private:
  struct ClosureBase {
    ClosureBase(Loop& caller, Origin whose) : loop(caller), origin(whose) {}
    virtual ~ClosureBase() = default;
    // False: it failed, so its writes are not applied.
    virtual bool execute(Change& change) = 0;
    virtual void refuse(const Error& error) = 0;

    Loop& loop;
    Origin origin;
    bool ran = false;  // not refused before
    // Touched on `loop` only. Null once the waiting task is gone.
    std::coroutine_handle<> waiter;
  };

  template <typename Work>
  struct Closure final : ClosureBase {
    Closure(Loop& caller, Origin whose, Work&& closure)
        : ClosureBase(caller, whose), work(std::move(closure)) {}
    bool execute(Change& change) override {
      result.emplace(work(change));
      return result->has_value();
    }
    void refuse(const Error& error) override { result.emplace(fail(error)); }

    Work work;
    std::optional<std::invoke_result_t<Work&, Change&>> result;
  };

  struct Waiting {
    Writer& writer;
    std::shared_ptr<ClosureBase> closure;

    ~Waiting() { closure->waiter = nullptr; }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      closure->waiter = handle;
      writer.submit(closure);
    }
    void await_resume() const noexcept {}
  };

  using Closures = std::vector<std::shared_ptr<ClosureBase>>;

  void submit(std::shared_ptr<ClosureBase> closure);
  // On the writer thread: one batch.
  void commit_waiting();
  Closures take_waiting();
  // Runs closures from the front until the batch is full; returns how many it ran, or why none of
  // it may commit.
  Result<std::size_t> commit_batch(const Closures& closures);
  Result<std::size_t> run_closures(const Closures& closures, kv::Transaction& transaction,
                                   Change::Batch& merged);
  Status commit(kv::Transaction& transaction, const Change::Batch& merged);
  void hand_out(Closures closures);
  static void deliver(Closures closures);

  kv::Store& store_;
  std::shared_ptr<JournalSink> sink_;
  std::mutex mutex_;
  Closures waiting_;                      // under mutex_
  bool scheduled_ = false;                // under mutex_: commit_waiting is posted
  std::unique_ptr<Sequencer> sequencer_;  // last: destroyed first
};

}  // namespace hydra::catalog
