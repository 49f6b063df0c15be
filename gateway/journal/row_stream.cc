#include "gateway/journal/row_stream.h"

#include <algorithm>

#include "base/assert.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/rows_format.h"

namespace hydra::journal {

namespace {
constexpr std::size_t kAheadBytes = 256u << 10;  // of rows that are encoded at a time
}  // namespace

// Used on the stream's thread between open and close, and on the loop while nothing runs there.
struct RowStream::View {
  explicit View(catalog::Catalog& owner) : catalog(owner) {}

  Status open(const JournalRow& fresh) {
    HYDRA_TRY(snapshot, catalog.rows());
    HYDRA_TRY(const auto own, snapshot->get(as_bytes(table_key(catalog::Table::kJournal))));
    JournalRow row = fresh;
    if (own) {
      HYDRA_TRY(row, decode_journal_row(*own));
    }
    head = {catalog.cluster(), row.sequence, row.mark};
    journal_bytes = row.bytes;
    HYDRA_TRY(const auto state, snapshot->get(as_bytes(table_key(catalog::Table::kState))));
    if (!state) return fail(Code::kCorrupt, "catalog: the state row is missing");
    HYDRA_TRY(const catalog::StateRow counts, catalog::decode_state(*state));
    objects = counts.objects;
    HYDRA_CHECK_OK(measure());
    append_head(ready, head);
    return rewind();
  }

  Status rewind() {
    cursor = snapshot->cursor();
    rows = 0;
    HYDRA_TRY(more, cursor->seek({}));
    return {};
  }
  Status measure() {
    HYDRA_CHECK_OK(rewind());
    length = kSnapshotHeadBytes + kSnapshotEndBytes;
    while (more) {
      if (!is_local(as_text(cursor->key())))
        length += kSnapshotRowOverhead + cursor->key().size() + cursor->value().size();
      HYDRA_TRY(more, cursor->next());
    }
    return {};
  }
  // Encodes rows until `bytes` are ready, or all.
  Status prepare(std::size_t bytes) {
    ready.erase(0, std::exchange(taken, 0));
    while (ready.size() < bytes && !ended) {
      if (!more) {
        append_end(ready, rows);
        ended = true;
        break;
      }
      if (!is_local(as_text(cursor->key()))) {
        append_row(ready, cursor->key(), cursor->value());
        ++rows;
      }
      HYDRA_TRY(more, cursor->next());
    }
    return {};
  }
  std::size_t take(MutableBytes into) {
    const std::size_t size = std::min(into.size(), ready.size() - taken);
    std::memcpy(into.data(), ready.data() + taken, size);
    taken += size;
    return size;
  }

  catalog::Catalog& catalog;
  std::unique_ptr<kv::Snapshot> snapshot;
  std::unique_ptr<kv::Cursor> cursor;  // ends before its snapshot
  SnapshotHead head;
  std::uint64_t journal_bytes = 0, length = 0, objects = 0, rows = 0;
  bool more = false, ended = false;
  std::string ready;
  std::size_t taken = 0;  // of `ready`
};

RowStream::RowStream(Loop& loop, catalog::Catalog& catalog)
    : loop_(loop),
      view_(std::make_shared<View>(catalog)),
      thread_(loop.make_sequencer("journal-rows")) {}

RowStream::~RowStream() = default;

const SnapshotHead& RowStream::head() const { return view_->head; }
std::uint64_t RowStream::journal_bytes() const { return view_->journal_bytes; }
std::uint64_t RowStream::length() const { return view_->length; }
std::uint64_t RowStream::objects() const { return view_->objects; }

Task<Status> RowStream::on_thread(std::function<Status(View&)> work) {
  // Shared with the thread, which may still run when this task dies with its loop.
  struct Turn {
    explicit Turn(Loop& loop) : done(loop) {}
    Event done;
    Status status;
  };
  const auto turn = std::make_shared<Turn>(loop_);
  thread_->post([turn, view = view_, work = std::move(work), loop = &loop_] {
    turn->status = work(*view);
    loop->post([turn] { turn->done.set(); });
  });
  co_await turn->done.wait();
  co_return std::move(turn->status);
}

Task<Status> RowStream::open(JournalRow fresh) {
  co_return co_await on_thread([fresh](View& view) { return view.open(fresh); });
}

Task<Result<std::size_t>> RowStream::read(MutableBytes into) {
  std::size_t got = 0;
  while (got < into.size()) {
    const std::size_t now = view_->take(into.subspan(got));
    got += now;
    if (got == into.size() || (now == 0 && view_->ended)) break;
    if (now > 0) continue;
    HYDRA_CO_CHECK_OK(co_await on_thread([](View& view) { return view.prepare(kAheadBytes); }));
  }
  co_return got;
}

Task<void> RowStream::close() {
  const Status closed = co_await on_thread([](View& view) {
    view.cursor.reset();
    view.snapshot.reset();
    return Status();
  });
  HYDRA_ASSERT(closed.has_value());
}

}  // namespace hydra::journal
