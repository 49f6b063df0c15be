// Reads over a grid with a slow node: it is ejected, asked again in a while, and taken back.
#include <gtest/gtest.h>

#include "base/runtime/sim/run_sim.h"
#include "gateway/object/extent_writer.h"
#include "gateway/object/memory_grid_fixture.h"
#include "gateway/object/window_fetch.h"

namespace hydra::object {
namespace {

constexpr NodeId kSlow = 2;  // holds data shard 1
constexpr Nanos kQuick = kMillisecond;
constexpr std::uint32_t kBytes = 8u << 10;

// Simulated turns take some nanoseconds each.
bool is_quick(Nanos took) { return took < 2 * kQuick; }

class Readers {
 public:
  explicit Readers(Loop& loop) : loop_(loop), grid(loop, 6) {
    for (NodeId id = 1; id <= 6; ++id) grid.node(id).read_time = kQuick;
  }
  Task<Status> write() {
    extent_.id.bytes.fill(std::byte{1});
    extent_.stored_as = extent_.id;
    extent_.profile = extent_.wanted = {4, 2};
    extent_.length = kBytes;
    for (NodeId id = 1; id <= 6; ++id) extent_.nodes.push_back(id);
    ExtentWriter writer(loop_, grid, {}, extent_);
    const auto space = writer.space();
    for (std::size_t i = 0; i < kBytes; ++i) space[i] = static_cast<std::byte>(i * 7);
    HYDRA_CO_CHECK_OK(co_await writer.filled(kBytes));
    HYDRA_CO_TRY(extent_, co_await writer.finish());
    co_return Status();
  }
  // Reads the whole extent `count` times, one after another; how long the last one took.
  Task<Nanos> read(int count) {
    Nanos took = 0;
    for (int i = 0; i < count; ++i) {
      const Nanos begun = loop_.now();
      const auto fetch =
          std::make_shared<WindowFetch>(loop_, grid, FetchTimes{10 * kSecond, 100 * kMillisecond},
                                        false, extent_, 0, kBytes, nullptr);
      fetch->start();
      const Status status = co_await fetch->wait();
      EXPECT_TRUE(status) << status.error().to_string();
      std::size_t at = 0;
      for (const ByteView view : status ? fetch->views() : std::vector<ByteView>())
        for (const std::byte byte : view) EXPECT_EQ(byte, static_cast<std::byte>(at++ * 7));
      EXPECT_EQ(at, kBytes);
      took = loop_.now() - begun;
    }
    co_return took;
  }
  bool ejected(NodeId node) const { return grid.reputation.score(node, loop_.now()).ejected; }

 private:
  Loop& loop_;
  catalog::Extent extent_;

 public:
  MemoryGrid grid;
};

TEST(Ejection, SlowNodeIsLeftOutOfReadsAndComesBack) {
  const bool ran = sim::run_sim(1, [](Loop& loop) -> Task<bool> {
    Readers readers(loop);
    EXPECT_TRUE(co_await readers.write());
    EXPECT_TRUE(is_quick(co_await readers.read(20)));
    auto& slow = readers.grid.node(kSlow);
    slow.read_time = 300 * kMillisecond;
    EXPECT_GE(co_await readers.read(1), slow.read_time);
    co_await readers.read(20);
    EXPECT_TRUE(readers.ejected(kSlow));
    const std::size_t reads = slow.reads;
    EXPECT_TRUE(is_quick(co_await readers.read(100)));
    EXPECT_EQ(slow.reads, reads);
    // Still slow when it is asked again, so it stays out.
    co_await sleep_for(loop, 10 * kSecond);
    EXPECT_GE(co_await readers.read(1), slow.read_time);
    EXPECT_TRUE(is_quick(co_await readers.read(100)));
    EXPECT_EQ(slow.reads, reads + 1);
    // Quick again: after three probes it is one of all.
    slow.read_time = kQuick;
    co_await sleep_for(loop, 20 * kSecond);
    for (int probe = 0; probe < 3; ++probe) {
      co_await readers.read(1);
      co_await sleep_for(loop, kSecond);
    }
    EXPECT_FALSE(readers.ejected(kSlow));
    const std::size_t before = slow.reads;
    co_await readers.read(10);
    EXPECT_EQ(slow.reads, before + 10);
    co_return true;
  });
  EXPECT_TRUE(ran);
}

TEST(Ejection, EjectedNodeIsReadWhenTooFewOthersAreLeft) {
  const bool ran = sim::run_sim(1, [](Loop& loop) -> Task<bool> {
    Readers readers(loop);
    EXPECT_TRUE(co_await readers.write());
    co_await readers.read(20);
    readers.grid.node(kSlow).read_time = 300 * kMillisecond;
    co_await readers.read(20);
    EXPECT_TRUE(readers.ejected(kSlow));
    readers.grid.node(4).up = readers.grid.node(5).up = false;
    EXPECT_GE(co_await readers.read(1), readers.grid.node(kSlow).read_time);
    co_return true;
  });
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace hydra::object
