// The client's ends of a body: a source of known bytes that may be slow or break off, and a sink
// that keeps what it is given. On the loop of the worker that uses them.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "base/runtime/sim/random.h"
#include "base/runtime/source.h"
#include "base/runtime/sync.h"

namespace hydra::gridsim {

// Bytes that differ from place to place and from seed to seed.
inline std::shared_ptr<const std::string> random_bytes(std::uint64_t seed, std::size_t size) {
  auto bytes = std::make_shared<std::string>(size, '\0');
  sim::Prng prng(seed);
  prng.fill({reinterpret_cast<std::byte*>(bytes->data()), size});
  return bytes;
}

// How a client behaves during one transfer.
struct Temper {
  double pause = 0;  // chance of a pause before each piece
  sim::Range pause_time{1 * kMillisecond, 800 * kMillisecond};
  double break_off = 0;  // chance, per piece, that it goes away
};

class KnownSource final : public ByteSource {
 public:
  KnownSource(Loop& loop, sim::Prng& prng, Temper temper, std::shared_ptr<const std::string> bytes)
      : loop_(loop), prng_(prng), temper_(temper), bytes_(std::move(bytes)) {}

  Task<Result<std::size_t>> read(MutableBytes into) override {
    if (prng_.chance(temper_.pause)) co_await sleep_for(loop_, prng_.in(temper_.pause_time));
    if (prng_.chance(temper_.break_off)) co_return fail(Code::kIncompleteBody, "the client left");
    const std::size_t now = std::min(into.size(), bytes_->size() - at_);
    std::memcpy(into.data(), bytes_->data() + at_, now);
    at_ += now;
    co_return now;
  }

 private:
  Loop& loop_;
  sim::Prng& prng_;
  Temper temper_;
  std::shared_ptr<const std::string> bytes_;
  std::size_t at_ = 0;
};

class KeepingSink final : public ByteSink {
 public:
  KeepingSink(Loop& loop, sim::Prng& prng, Temper temper)
      : loop_(loop), prng_(prng), temper_(temper) {}
  Task<Status> write(ByteView view) override {
    if (prng_.chance(temper_.pause)) co_await sleep_for(loop_, prng_.in(temper_.pause_time));
    if (prng_.chance(temper_.break_off)) co_return fail(Code::kClosed, "the client left");
    append(bytes, view);
    co_return Status();
  }
  std::string bytes;

 private:
  Loop& loop_;
  sim::Prng& prng_;
  Temper temper_;
};

}  // namespace hydra::gridsim
