#include "base/runtime/sync.h"

#include <algorithm>

namespace hydra {

namespace detail {

Waiter::~Waiter() {
  unlink();
  disarm();
}

void Waiter::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  linked_ = true;
  previous_ = list_.tail_;
  (previous_ != nullptr ? previous_->next_ : list_.head_) = this;
  list_.tail_ = this;
  if (deadline_.is_never()) return;
  timer_ = loop_.call_at(deadline_.at, [this] {
    timer_ = 0;
    timed_out_ = true;
    unlink();
    loop_.schedule(handle_);
  });
}

void Waiter::unlink() {
  if (!linked_) return;
  linked_ = false;
  (previous_ != nullptr ? previous_->next_ : list_.head_) = next_;
  (next_ != nullptr ? next_->previous_ : list_.tail_) = previous_;
}

void Waiter::disarm() {
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
}

WaitList::~WaitList() {
  for (Waiter* waiter = head_; waiter != nullptr; waiter = waiter->next_) waiter->linked_ = false;
}

void WaitList::resume_one() {
  if (head_ == nullptr) return;
  Waiter* waiter = head_;
  waiter->unlink();
  waiter->disarm();
  waiter->loop_.schedule(waiter->handle_);
}

void WaitList::resume_all() {
  while (head_ != nullptr) resume_one();
}

}  // namespace detail

Semaphore::~Semaphore() {
  for (Request* request : queue_) request->semaphore = nullptr;
}

Semaphore::Request::Request(Semaphore& owner, std::size_t wanted)
    : semaphore(&owner), units(wanted) {
  owner.queue_.push_back(this);
}

void Semaphore::Request::leave() {
  if (semaphore != nullptr) std::erase(std::exchange(semaphore, nullptr)->queue_, this);
}

Task<Result<Semaphore::Hold>> Semaphore::acquire(std::size_t units, Deadline deadline) {
  units = std::min(units, capacity_);
  if (queue_.empty() && units <= available_) {
    available_ -= units;
    co_return Hold(this, units);
  }
  Request request(*this, units);
  co_await detail::Waiter(loop_, request.waiting, deadline);
  if (request.granted) co_return Hold(this, units);
  request.leave();
  grant();  // it may have been in the way of a smaller one
  co_return fail(Code::kTimeout, "no room in the budget");
}

void Semaphore::grant() {
  while (!queue_.empty() && queue_.front()->units <= available_) {
    Request& request = *queue_.front();
    queue_.pop_front();
    request.semaphore = nullptr;
    available_ -= request.units;
    request.granted = true;
    request.waiting.resume_one();
  }
}

void Semaphore::give_back(std::size_t units) {
  available_ += units;
  grant();
}

void TaskGroup::spawn(Task<void> task) {
  ++running_;
  idle_.reset();
  loop_.spawn(run(*this, std::move(task)));
}

Task<void> TaskGroup::run(TaskGroup& group, Task<void> task) {
  co_await task;
  if (--group.running_ == 0) group.idle_.set();
}

}  // namespace hydra
