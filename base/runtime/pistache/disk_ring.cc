#include "base/runtime/pistache/disk_ring.h"

#include <liburing.h>

#include <atomic>
#include <cerrno>

#include "base/runtime/pistache/pistache_loop.h"

namespace hydra::runtime {

namespace {
constexpr unsigned kEntries = 256;
constexpr std::size_t kMaxInFlight =
    2 * kEntries;  // the size of the completion queue: it never overflows
}  // namespace

struct DiskRing::Ring {
  io_uring ring;
  bool open = false;
  ~Ring() {
    if (open) io_uring_queue_exit(&ring);
  }
};

DiskRing::DiskRing(PistacheLoop& loop, std::unique_ptr<Ring> ring)
    : loop_(loop), ring_(std::move(ring)) {}
DiskRing::~DiskRing() = default;

std::unique_ptr<DiskRing> DiskRing::create(PistacheLoop& loop) {
  auto ring = std::make_unique<Ring>();
  if (io_uring_queue_init(kEntries, &ring->ring, IORING_SETUP_CLAMP) != 0) return nullptr;
  ring->open = true;
  io_uring_probe* const probe = io_uring_get_probe_ring(&ring->ring);
  if (probe == nullptr) return nullptr;
  bool able = true;
  for (const int op : {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE})
    able = able && io_uring_opcode_supported(probe, op) != 0;
  io_uring_free_probe(probe);
  // Not the "async" registration: that one is silent about completions that the kernel makes in the
  // name of this thread while it sleeps, as those of reads that had to wait for the device.
  if (!able || io_uring_register_eventfd(&ring->ring, loop.wake_fd()) != 0) return nullptr;
  return std::unique_ptr<DiskRing>(new DiskRing(loop, std::move(ring)));
}

void DiskRing::Operation::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  if (!ring_.waiting_.empty() || !ring_.prepare(*this)) ring_.waiting_.push_back(this);
}

bool DiskRing::prepare(Operation& operation) {
  if (in_flight_ >= kMaxInFlight) return false;
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_->ring);
  if (entry == nullptr) return false;
  switch (operation.kind_) {
    case Operation::Kind::kRead:
      io_uring_prep_readv(entry, operation.fd_, operation.vectors_, operation.count_,
                          operation.offset_);
      break;
    case Operation::Kind::kWrite:
      io_uring_prep_writev(entry, operation.fd_, operation.vectors_, operation.count_,
                           operation.offset_);
      break;
    case Operation::Kind::kSync:
      io_uring_prep_fsync(entry, operation.fd_, IORING_FSYNC_DATASYNC);
      break;
    case Operation::Kind::kAllocate:
      io_uring_prep_fallocate(entry, operation.fd_, operation.mode_,
                              static_cast<off_t>(operation.offset_),
                              static_cast<off_t>(operation.length_));
      break;
  }
  io_uring_sqe_set_data(entry, &operation);
  ++in_flight_;
  ++prepared_;
  return true;
}

void DiskRing::reap() {
  if (in_flight_ == 0) return;
  io_uring_cqe* entry = nullptr;
  while (io_uring_peek_cqe(&ring_->ring, &entry) == 0) {
    auto* const operation = static_cast<Operation*>(io_uring_cqe_get_data(entry));
    operation->result_ = entry->res;
    io_uring_cqe_seen(&ring_->ring, entry);
    --in_flight_;
    loop_.schedule(operation->handle_);
  }
}

void DiskRing::submit() {
  for (;;) {
    while (!waiting_.empty() && prepare(*waiting_.front())) waiting_.pop_front();
    if (prepared_ == 0) return;
    const int submitted = io_uring_submit(&ring_->ring);
    if (submitted <= 0) return loop_.request_turn();  // busy: the entries stay queued till then
    prepared_ -= static_cast<std::size_t>(submitted);
    reap();
  }
}

void DiskRing::mute() { io_uring_cq_eventfd_toggle(&ring_->ring, false); }

bool DiskRing::unmute() {
  io_uring_cq_eventfd_toggle(&ring_->ring, true);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // what came before is seen below
  return in_flight_ > 0 && io_uring_cq_ready(&ring_->ring) > 0;
}

void DiskRing::drain() {
  waiting_.clear();
  // What the kernel has not seen never reaches it; the rest must end before its buffers may go.
  while (in_flight_ > prepared_) {
    io_uring_cqe* entry = nullptr;
    const int error = io_uring_wait_cqe(&ring_->ring, &entry);
    if (error == -EINTR || error == -EAGAIN) continue;
    if (error != 0) break;
    io_uring_cqe_seen(&ring_->ring, entry);
    --in_flight_;
  }
}

}  // namespace hydra::runtime
