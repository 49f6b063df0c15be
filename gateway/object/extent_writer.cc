#include "gateway/object/extent_writer.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/crc32c.h"

namespace hydra::object {

// One stripe's k data blocks, end to end, and its m parity blocks.
struct ExtentWriter::Stripe {
  Buffer memory;
  std::size_t block_bytes = 0;
  MutableBytes block(std::size_t index) {
    return memory.span().subspan(index * block_bytes, block_bytes);
  }
};

// Shared with the sends, which may outlive the writer when a node stalls.
struct ExtentWriter::Shards {
  enum class State : std::uint8_t { kWriting, kDurable, kFailed };
  explicit Shards(Loop& loop) : progress(loop) {}
  std::vector<std::unique_ptr<agent::ShardWriter>> writers;
  std::vector<State> states;
  std::vector<bool> busy;  // a send is under way
  std::optional<Error> last_error;
  Event progress;

  std::size_t count(State state) const {
    return static_cast<std::size_t>(std::count(states.begin(), states.end(), state));
  }
  std::size_t alive() const { return states.size() - count(State::kFailed); }
  // Sends that the write still waits for: not those of nodes that were left behind.
  bool waiting() const {
    for (std::size_t i = 0; i < states.size(); ++i)
      if (busy[i] && states[i] == State::kWriting) return true;
    return false;
  }
  // A node that has not answered in time is left behind; its send runs on to its deadline and is
  // ignored.
  void leave_busy_behind() {
    for (std::size_t i = 0; i < states.size(); ++i)
      if (busy[i] && states[i] == State::kWriting) {
        states[i] = State::kFailed;
        last_error = Error{Code::kTimeout, "a node did not keep up with the write"};
      }
  }
};

ExtentWriter::ExtentWriter(Loop& loop, agent::Grid& grid, WriteTimes times, catalog::Extent extent)
    : loop_(loop),
      times_(times),
      extent_(std::move(extent)),
      shards_(std::make_shared<Shards>(loop)) {
  auto layout = erasure::Layout::of(extent_.profile, extent_.length);
  HYDRA_ASSERT(layout.has_value());
  HYDRA_ASSERT(extent_.nodes.size() == static_cast<std::size_t>(extent_.profile.shards()));
  layout_ = *layout;
  for (std::size_t i = 0; i < extent_.nodes.size(); ++i)
    shards_->writers.push_back(grid.write(extent_.nodes[i], extent_.shard(i), layout_));
  shards_->states.assign(extent_.nodes.size(), Shards::State::kWriting);
  shards_->busy.assign(extent_.nodes.size(), false);
}

ExtentWriter::~ExtentWriter() = default;

MutableBytes ExtentWriter::space() {
  HYDRA_ASSERT(stripe_ < layout_.stripes());
  if (filling_ == nullptr) {
    filling_ = std::make_shared<Stripe>();
    const std::size_t largest = layout_.block_size(0);
    filling_->memory = Buffer(largest * extent_.nodes.size());
    if (keeps_all()) kept_.push_back(filling_);
  }
  filling_->block_bytes = layout_.block_size(stripe_);
  filling_->memory.resize(filling_->block_bytes * extent_.nodes.size());
  return filling_->memory.span().subspan(stripe_fill_,
                                         layout_.stripe_data_bytes(stripe_) - stripe_fill_);
}

Task<Status> ExtentWriter::filled(std::size_t bytes) {
  stripe_fill_ += bytes;
  HYDRA_ASSERT(stripe_fill_ <= layout_.stripe_data_bytes(stripe_));
  if (stripe_fill_ < layout_.stripe_data_bytes(stripe_)) co_return Status();
  co_return co_await send_stripe();
}

std::vector<ByteView> ExtentWriter::written() const {
  HYDRA_ASSERT(keeps_all());
  std::vector<ByteView> out;
  for (std::uint32_t stripe = 0; stripe < kept_.size(); ++stripe) {
    const std::size_t bytes = stripe == stripe_ ? stripe_fill_ : layout_.stripe_data_bytes(stripe);
    out.push_back(kept_[stripe]->memory.view().first(bytes));
  }
  return out;
}

std::vector<NodeId> ExtentWriter::failed_nodes() const {
  std::vector<NodeId> out;
  for (std::size_t i = 0; i < extent_.nodes.size(); ++i)
    if (shards_->states[i] == Shards::State::kFailed) out.push_back(extent_.nodes[i]);
  return out;
}

Status ExtentWriter::check_quorum() const {
  if (shards_->alive() >= erasure::write_quorum(extent_.profile)) return {};
  return fail(Code::kUnavailable, "too few nodes took the write: " +
                                      (shards_->last_error ? shards_->last_error->to_string()
                                                           : std::string("no answer")));
}

Task<Status> ExtentWriter::send_stripe() {
  const std::size_t k = extent_.profile.k;
  Stripe& stripe = *filling_;
  const std::size_t data_bytes = stripe.block_bytes * k;
  std::memset(stripe.memory.data() + stripe_fill_, 0, data_bytes - stripe_fill_);
  std::vector<ByteView> data;
  std::vector<MutableBytes> parity;
  for (std::size_t i = 0; i < extent_.nodes.size(); ++i) {
    if (i < k)
      data.push_back(stripe.block(i));
    else
      parity.push_back(stripe.block(i));
  }
  erasure::codec_for(extent_.profile).encode(data, parity);

  // The previous stripe must be on its way before this one: a shard's blocks go in order.
  const Deadline patience = loop_.after(times_.stall);
  while (shards_->waiting()) {
    shards_->progress.reset();
    if (!co_await shards_->progress.wait(patience)) break;
  }
  shards_->leave_busy_behind();
  HYDRA_CO_CHECK_OK(check_quorum());

  const bool last = stripe_ + 1 == layout_.stripes();
  const Deadline deadline = loop_.after(last ? times_.stall + times_.commit : times_.stall);
  std::swap(sending_, filling_);
  // A stripe that a stalled node still reads is given up to it, and the next one gets new memory.
  if (filling_ != nullptr && filling_.use_count() > 1) filling_.reset();
  for (std::size_t i = 0; i < extent_.nodes.size(); ++i) {
    if (shards_->states[i] != Shards::State::kWriting) continue;
    shards_->busy[i] = true;
    loop_.spawn(send(shards_, sending_, i, last, deadline));
  }
  ++stripe_;
  stripe_fill_ = 0;
  co_return Status();
}

Task<void> ExtentWriter::send(std::shared_ptr<Shards> shards, std::shared_ptr<Stripe> stripe,
                              std::size_t index, bool last, Deadline deadline) {
  const ByteView block = stripe->block(index);
  const std::uint32_t crc = crc32c(block);
  Status status = co_await shards->writers[index]->append(block, crc, last, deadline);
  shards->busy[index] = false;
  auto& state = shards->states[index];
  if (!status) {
    shards->last_error = status.error();
    state = Shards::State::kFailed;
  } else if (last && state == Shards::State::kWriting) {
    state = Shards::State::kDurable;
  }
  shards->progress.set();
}

Task<Result<catalog::Extent>> ExtentWriter::finish() {
  HYDRA_ASSERT(stripe_ == layout_.stripes());
  const std::size_t quorum = erasure::write_quorum(extent_.profile);
  const auto durable = [&] { return shards_->count(Shards::State::kDurable); };
  const Deadline patience = loop_.after(times_.commit);
  while (durable() < quorum && shards_->waiting()) {
    shards_->progress.reset();
    if (!co_await shards_->progress.wait(patience)) break;
  }
  const Deadline rest = loop_.after(times_.straggler);
  while (durable() >= quorum && shards_->waiting()) {
    shards_->progress.reset();
    if (!co_await shards_->progress.wait(rest)) break;
  }
  shards_->leave_busy_behind();
  if (durable() < quorum) {
    HYDRA_CO_CHECK_OK(check_quorum());
    co_return fail(Code::kUnavailable, "too few nodes made the write durable");
  }
  extent_.missing = 0;
  for (std::size_t i = 0; i < shards_->states.size(); ++i)
    if (shards_->states[i] != Shards::State::kDurable) extent_.missing |= 1u << i;
  co_return extent_;
}

}  // namespace hydra::object
