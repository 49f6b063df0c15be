#include "gateway/catalog/writer.h"

#include <algorithm>

namespace hydra::catalog {

namespace {
Status apply(const Change::Batch& batch, kv::Transaction& transaction) {
  for (const auto& [key, value] : batch) {
    if (value)
      HYDRA_CHECK_OK(transaction.put(as_bytes(key), as_bytes(*value)));
    else
      HYDRA_CHECK_OK(transaction.erase(as_bytes(key)));
  }
  return {};
}
// Later changes of a row win.
void merge(Change::Batch later, Change::Batch& merged) {
  while (!later.empty()) {
    auto insertion = merged.insert(later.extract(later.begin()));
    if (!insertion.inserted) insertion.position->second = std::move(insertion.node.mapped());
  }
}
}  // namespace

Writer::Writer(Loop& loop, kv::Store& store, std::shared_ptr<JournalSink> sink)
    : store_(store), sink_(std::move(sink)), sequencer_(loop.make_sequencer("catalog-writer")) {}

Writer::~Writer() { sequencer_.reset(); }

void Writer::submit(std::shared_ptr<ClosureBase> closure) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(closure));
  if (!std::exchange(scheduled_, true)) sequencer_->post([this] { commit_waiting(); });
}

Writer::Closures Writer::take_waiting() {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() <= kMaxClosures) return std::exchange(waiting_, {});
  const auto end = waiting_.begin() + kMaxClosures;
  Closures taken(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return taken;
}

void Writer::commit_waiting() {
  Closures closures = take_waiting();
  const auto ran = commit_batch(closures);
  Closures rest;
  if (ran) {
    rest.assign(std::make_move_iterator(closures.begin() + static_cast<std::ptrdiff_t>(*ran)),
                std::make_move_iterator(closures.end()));
    closures.resize(*ran);
  } else {
    for (const auto& closure : closures) {
      closure->refuse(ran.error());
      closure->ran = false;
    }
  }
  hand_out(std::move(closures));
  const std::lock_guard lock(mutex_);
  waiting_.insert(waiting_.begin(), std::make_move_iterator(rest.begin()),
                  std::make_move_iterator(rest.end()));
  scheduled_ = !waiting_.empty();
  if (scheduled_) sequencer_->post([this] { commit_waiting(); });
}

Result<std::size_t> Writer::commit_batch(const Closures& closures) {
  HYDRA_TRY(const auto transaction, store_.begin());
  Change::Batch merged;
  HYDRA_TRY(const std::size_t ran, run_closures(closures, *transaction, merged));
  if (!merged.empty()) HYDRA_CHECK_OK(commit(*transaction, merged));
  return ran;
}

Result<std::size_t> Writer::run_closures(const Closures& closures, kv::Transaction& transaction,
                                         Change::Batch& merged) {
  const Status admitted = sink_ == nullptr ? Status() : sink_->admit_clients();
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (const auto& closure : closures) {
    if (bytes >= kMaxBatchBytes) break;
    ++count;
    if (closure->origin == Origin::kClient && !admitted) {
      closure->refuse(admitted.error());
      continue;
    }
    closure->ran = true;
    Change change(transaction);
    if (!closure->execute(change) || change.batch().empty()) continue;
    HYDRA_CHECK_OK(apply(change.batch(), transaction));
    bytes += change.bytes();
    merge(change.take_batch(), merged);
  }
  return count;
}

Status Writer::commit(kv::Transaction& transaction, const Change::Batch& merged) {
  if (sink_ == nullptr) return transaction.commit();
  Status status = sink_->stage(merged, transaction);
  if (status) status = transaction.commit();
  sink_->staged(status.has_value());
  return status;
}

void Writer::hand_out(Closures closures) {
  if (sink_ == nullptr) return deliver(std::move(closures));
  const auto waits = [](const auto& closure) {
    return closure->ran && closure->origin == Origin::kClient;
  };
  const auto first = std::stable_partition(closures.begin(), closures.end(),
                                           [&](const auto& closure) { return !waits(closure); });
  Closures clients(std::make_move_iterator(first), std::make_move_iterator(closures.end()));
  closures.erase(first, closures.end());
  if (!closures.empty()) deliver(std::move(closures));
  if (clients.empty()) return;
  sink_->when_safe([clients = std::move(clients)](const Status& status) {
    if (!status)
      for (const auto& closure : clients) closure->refuse(status.error());
    deliver(clients);
  });
}

void Writer::deliver(Closures closures) {
  // One wake-up a loop, in the order of the first closure of each.
  std::vector<std::pair<Loop*, Closures>> by_loop;
  for (auto& closure : closures) {
    Loop* loop = &closure->loop;
    auto found = std::find_if(by_loop.begin(), by_loop.end(),
                              [loop](const auto& group) { return group.first == loop; });
    if (found == by_loop.end()) found = by_loop.insert(found, {loop, {}});
    found->second.push_back(std::move(closure));
  }
  for (auto& [loop, group] : by_loop)
    loop->post([finished = std::move(group)] {
      for (const auto& closure : finished)
        if (closure->waiter) closure->waiter.resume();
    });
}

}  // namespace hydra::catalog
