#include "gateway/journal/copies.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/assert.h"
#include "base/crc32c.h"
#include "erasure/layout.h"

namespace hydra::journal {

std::vector<Site> in_order(std::vector<Site> sites, std::uint64_t turn) {
  if (sites.empty()) return sites;
  std::rotate(sites.begin(), sites.begin() + static_cast<std::ptrdiff_t>(turn % sites.size()),
              sites.end());
  // The first of each zone, then the second of each, and so on.
  std::map<std::string, std::size_t> seen;
  std::vector<std::pair<std::size_t, Site>> ranked;
  for (Site& site : sites) {
    const std::size_t rank = seen[site.zone]++;
    ranked.emplace_back(rank, std::move(site));
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Site> ordered;
  for (auto& [rank, site] : ranked) ordered.push_back(std::move(site));
  return ordered;
}

namespace {

enum class State { kSending, kDurable, kFailed };

// Shared with sends that outlive the call.
struct Attempt {
  explicit Attempt(Loop& loop) : progress(loop) {}

  erasure::Layout layout;
  std::shared_ptr<const std::string> bytes;
  std::string last_block;  // padded
  struct Send {
    NodeId node;
    std::uint8_t index;
    Nanos begun;
    State state = State::kSending;
    bool slow = false;
  };
  std::vector<Send> sends;
  std::optional<Error> last_error;
  Event progress;

  std::size_t count(State state) const {
    return static_cast<std::size_t>(std::count_if(
        sends.begin(), sends.end(), [state](const Send& s) { return s.state == state; }));
  }
  ByteView block(std::uint32_t stripe) const {
    if (stripe + 1 == layout.stripes()) return as_bytes(last_block);
    return as_bytes(*bytes).subspan(layout.stripe_data_offset(stripe), layout.block_size(stripe));
  }
};

Task<Status> send_blocks(std::shared_ptr<Attempt> attempt,
                         std::unique_ptr<agent::ShardWriter> writer, Deadline deadline) {
  for (std::uint32_t stripe = 0; stripe < attempt->layout.stripes(); ++stripe) {
    const ByteView block = attempt->block(stripe);
    const bool last = stripe + 1 == attempt->layout.stripes();
    HYDRA_CO_CHECK_OK(co_await writer->append(block, crc32c(block), last, deadline));
  }
  co_return Status();
}

Task<void> send(std::shared_ptr<Attempt> attempt, std::size_t number,
                std::unique_ptr<agent::ShardWriter> writer, Deadline deadline) {
  const Status status = co_await send_blocks(attempt, std::move(writer), deadline);
  attempt->sends[number].state = status ? State::kDurable : State::kFailed;
  if (!status) attempt->last_error = status.error();
  attempt->progress.set();
}

// Each copy has an index of its own; who stands in for another takes that one's.
std::uint8_t free_index(const Attempt& attempt, std::size_t copies) {
  for (std::size_t index = 0; index < copies; ++index) {
    const auto taken = [index](const Attempt::Send& s) {
      return s.index == index && s.state != State::kFailed && !s.slow;
    };
    if (std::none_of(attempt.sends.begin(), attempt.sends.end(), taken))
      return static_cast<std::uint8_t>(index);
  }
  return static_cast<std::uint8_t>(attempt.sends.size() % copies);
}

// How many sends may still be counted on to end soon.
std::size_t hopeful(Attempt& attempt, Nanos slow_since) {
  std::size_t count = 0;
  for (auto& s : attempt.sends) {
    if (s.state == State::kSending && s.begun <= slow_since) s.slow = true;
    count += s.state == State::kDurable || (s.state == State::kSending && !s.slow);
  }
  return count;
}

Copies result_of(const Attempt& attempt, std::size_t copies) {
  Copies result;
  for (const auto& s : attempt.sends)
    if (s.state == State::kDurable)
      result.holders.push_back(s.node);
    else if (s.state == State::kFailed || s.slow)
      result.failed.push_back(s.node);  // who was still at it when all was in vain is not to blame
  if (result.holders.size() < copies)
    result.status =
        fail(Code::kUnavailable,
             "too few nodes took it: " +
                 (attempt.last_error ? attempt.last_error->to_string() : std::string("no answer")));
  return result;
}

}  // namespace

Task<Copies> write_copies(Loop& loop, agent::Grid& grid, std::vector<Site> sites,
                          std::size_t copies, ExtentId id, std::shared_ptr<const std::string> bytes,
                          CopyTimes times) {
  const erasure::Profile profile{1, static_cast<std::uint8_t>(copies - 1)};
  const auto layout = erasure::Layout::of(profile, bytes->size());
  HYDRA_ASSERT(layout.has_value());
  const auto attempt = std::make_shared<Attempt>(loop);
  attempt->layout = *layout;
  const std::uint32_t last = layout->stripes() - 1;
  attempt->last_block = bytes->substr(layout->stripe_data_offset(last));
  attempt->last_block.resize(layout->block_size(last), '\0');
  attempt->bytes = std::move(bytes);

  std::size_t next = 0;
  for (;;) {
    while (next < sites.size() && hopeful(*attempt, loop.now() - times.slow) < copies) {
      const NodeId node = sites[next++].node;
      const std::uint8_t index = free_index(*attempt, copies);
      attempt->sends.push_back({node, index, loop.now()});
      loop.spawn(send(attempt, attempt->sends.size() - 1,
                      grid.write(node, ShardId{id, index}, *layout), loop.after(times.patience)));
    }
    const std::size_t durable = attempt->count(State::kDurable);
    const std::size_t sending = attempt->count(State::kSending);
    if (durable >= copies || durable + sending < copies) break;
    attempt->progress.reset();
    const bool more = next < sites.size();
    co_await attempt->progress.wait(more ? loop.after(times.slow) : Deadline::never());
  }
  co_return result_of(*attempt, copies);
}

}  // namespace hydra::journal
