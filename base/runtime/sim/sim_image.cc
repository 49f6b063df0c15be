#include "base/runtime/sim/sim_image.h"

#include <algorithm>
#include <cstring>

namespace hydra::sim {

namespace {
std::uint64_t pages_up(std::uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes; }
}  // namespace

void SparseBytes::read(std::uint64_t offset, MutableBytes into) const {
  while (!into.empty()) {
    const std::uint64_t within = offset % kPageBytes;
    const std::size_t take = std::min<std::size_t>(into.size(), kPageBytes - within);
    const auto page = pages_.find(offset / kPageBytes);
    if (page == pages_.end()) {
      std::memset(into.data(), 0, take);
    } else {
      std::memcpy(into.data(), page->second->data() + within, take);
    }
    offset += take;
    into = into.subspan(take);
  }
}

void SparseBytes::write(std::uint64_t offset, ByteView from) {
  while (!from.empty()) {
    const std::uint64_t within = offset % kPageBytes;
    const std::size_t take = std::min<std::size_t>(from.size(), kPageBytes - within);
    std::shared_ptr<Page>& page = pages_[offset / kPageBytes];
    if (page == nullptr) {
      page = std::make_shared<Page>();
    } else if (page.use_count() > 1) {
      page = std::make_shared<Page>(*page);
    }
    std::memcpy(page->data() + within, from.data(), take);
    offset += take;
    from = from.subspan(take);
  }
}

void SparseBytes::clear(std::uint64_t offset, std::uint64_t length) {
  static constexpr Page kZeros{};
  const std::uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
  for (auto page = pages_.lower_bound(offset / kPageBytes); page != pages_.end();) {
    const std::uint64_t start = page->first * kPageBytes;
    if (start >= end) break;
    const std::uint64_t from = std::max(offset, start);
    const std::uint64_t to = std::min(end, start + kPageBytes);
    if (to - from == kPageBytes) {
      page = pages_.erase(page);
      continue;
    }
    ++page;
    if (to > from) write(from, ByteView(kZeros).first(to - from));
  }
}

void PageSet::add(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  remove(first, end);
  count_ += end - first;
  auto next = runs_.lower_bound(first);
  if (next != runs_.end() && next->first == end) {
    end = next->second;
    next = runs_.erase(next);
  }
  if (next != runs_.begin() && std::prev(next)->second == first) {
    std::prev(next)->second = end;
  } else {
    runs_.emplace(first, end);
  }
}

void PageSet::remove(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return;
  auto run = runs_.upper_bound(first);
  if (run != runs_.begin()) --run;
  while (run != runs_.end() && run->first < end) {
    const auto [run_first, run_end] = *run;
    if (run_end <= first) {
      ++run;
      continue;
    }
    count_ -= std::min(run_end, end) - std::max(run_first, first);
    run = runs_.erase(run);
    if (run_first < first) runs_.emplace(run_first, first);
    if (run_end > end) runs_.emplace(end, run_end);
  }
}

std::uint64_t PageSet::missing(std::uint64_t first, std::uint64_t end) const {
  if (first >= end) return 0;
  std::uint64_t missing = end - first;
  auto run = runs_.upper_bound(first);
  if (run != runs_.begin()) --run;
  for (; run != runs_.end() && run->first < end; ++run)
    if (run->second > first) missing -= std::min(run->second, end) - std::max(run->first, first);
  return missing;
}

void FileImage::apply(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kWrite:
      bytes.write(change.offset, as_bytes(change.bytes));
      [[fallthrough]];
    case Change::Kind::kAllocate:
      pages.add(change.offset / kPageBytes, pages_up(change.end()));
      size = std::max(size, change.end());
      return;
    case Change::Kind::kPunch:
      bytes.clear(change.offset, change.length);
      pages.remove(pages_up(change.offset), change.end() / kPageBytes);
      return;
  }
}

void FileImage::apply_unsynced(const Change& change, Prng& prng) {
  switch (prng.below(3)) {
    case 0:
      return;
    case 1:
      return apply(change);
    default:
      if (change.kind == Change::Kind::kWrite) apply_torn(change, prng);
  }
}

void FileImage::apply_torn(const Change& change, Prng& prng) {
  std::uint64_t last = size;
  for (std::uint64_t at = change.offset; at < change.end();) {
    const std::uint64_t next = std::min(change.end(), (at / kSectorBytes + 1) * kSectorBytes);
    if (prng.chance(0.5)) {
      const std::string_view piece(change.bytes);
      bytes.write(at, as_bytes(piece.substr(at - change.offset, next - at)));
      last = std::max(last, next);
    }
    at = next;
  }
  pages.add(change.offset / kPageBytes, pages_up(change.end()));
  // The size is metadata: it may have reached the disk without the data, or the other way round.
  switch (prng.below(3)) {
    case 0:
      break;
    case 1:
      size = last;
      break;
    default:
      size = std::max(size, change.end());
  }
  bytes.clear(size, UINT64_MAX - size);
}

std::string FileImage::contents() const {
  std::string text(size, '\0');
  bytes.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace hydra::sim
