// RowStream: a whole catalog as a ByteSource: the stream of snapshot_format.h, from one consistent
// view of the store, read on a thread of its own so that neither the loop nor the writer waits.
//
// Belongs to its loop. open() first, close() at the end; while it is open the store keeps the pages
// of that moment.
#pragma once

#include <memory>
#include <string>

#include "base/runtime/source.h"
#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"
#include "gateway/journal/snapshot_format.h"

namespace hydra::journal {

class RowStream final : public ByteSource {
 public:
  RowStream(Loop& loop, catalog::Catalog& catalog);
  ~RowStream() override;

  // Takes the view. `fresh` is the journal's row of a catalog that has none yet.
  Task<Status> open(JournalRow fresh);
  const SnapshotHead& head() const;
  std::uint64_t journal_bytes() const;  // of all records up to there
  std::uint64_t length() const;         // of the stream
  std::uint64_t objects() const;

  Task<Result<std::size_t>> read(MutableBytes into) override;
  // Lets go of the view.
  Task<void> close();

 private:
  struct View;
  // Runs work(View&) on the stream's thread.
  Task<Status> on_thread(std::function<Status(View&)> work);

  Loop& loop_;
  std::shared_ptr<View> view_;
  std::unique_ptr<Sequencer> thread_;  // last: destroyed first
};

}  // namespace hydra::journal
