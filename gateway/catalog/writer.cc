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
}  // namespace

Writer::Writer(Loop& loop, kv::Store& store)
    : store_(store), sequencer_(loop.make_sequencer("catalog-writer")) {}

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
    for (const auto& closure : closures) closure->refuse(ran.error());
  }
  deliver(std::move(closures));
  const std::lock_guard lock(mutex_);
  waiting_.insert(waiting_.begin(), std::make_move_iterator(rest.begin()),
                  std::make_move_iterator(rest.end()));
  scheduled_ = !waiting_.empty();
  if (scheduled_) sequencer_->post([this] { commit_waiting(); });
}

Result<std::size_t> Writer::commit_batch(const Closures& closures) {
  HYDRA_TRY(const auto transaction, store_.begin());
  std::size_t ran = 0;
  std::size_t bytes = 0;
  bool changed = false;
  for (const auto& closure : closures) {
    if (bytes >= kMaxBatchBytes) break;
    ++ran;
    Change change(*transaction);
    if (!closure->execute(change) || change.batch().empty()) continue;
    HYDRA_CHECK_OK(apply(change.batch(), *transaction));
    bytes += change.bytes();
    changed = true;
  }
  if (changed) HYDRA_CHECK_OK(transaction->commit());
  return ran;
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
