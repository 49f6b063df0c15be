// The bytes of a simulated disk: changes, syncs, and what a power loss makes of them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/runtime/sim/sim_disk.h"
#include "base/runtime/sim/sim_inode.h"

namespace hydra::sim {

Nanos SimDisk::latency(Range range) {
  return static_cast<Nanos>(static_cast<double>(prng_.in(range)) * slow_);
}

Status SimDisk::check_read(const std::string& path) {
  if (strikes(path, DiskFault::kReadError, faults_.read_error))
    return fail(Code::kIo, path + ": simulated read error");
  return {};
}

std::size_t SimDisk::read(const Inode& inode, std::uint64_t offset, MutableBytes into) const {
  if (offset >= inode.cached.size) return 0;
  const std::uint64_t count = std::min<std::uint64_t>(into.size(), inode.cached.size - offset);
  inode.cached.bytes.read(offset, into.first(count));
  return count;
}

std::uint64_t SimDisk::free_pages() const {
  const std::uint64_t total = faults_.capacity_bytes / kPageBytes;
  return total > *used_pages_ ? total - *used_pages_ : 0;
}

void SimDisk::apply_cached(Inode& inode, Change change) {
  const std::uint64_t before = inode.cached.pages.count();
  inode.cached.apply(change);
  *used_pages_ += inode.cached.pages.count() - before;
  inode.dirty.push_back(std::move(change));
}

Status SimDisk::change(const InodePtr& inode, const std::string& path, Change change) {
  const bool write = change.kind == Change::Kind::kWrite;
  scheduler_.note(combine(change.offset, hash_bytes(as_bytes(change.bytes))));
  if (strikes(path, DiskFault::kWriteError, faults_.write_error))
    return fail(Code::kIo, path + ": simulated write error");
  if (change.kind != Change::Kind::kPunch) {
    const std::uint64_t end = (change.end() + kPageBytes - 1) / kPageBytes;
    if (inode->cached.pages.missing(change.offset / kPageBytes, end) > free_pages())
      return fail(Code::kNoSpace, path + ": the simulated disk is full");
  }
  change.number = next_change_++;
  if (write && strikes(path, DiskFault::kLostWrite, faults_.lost_write)) {
    change.kind = Change::Kind::kAllocate;  // the size grew, the bytes did not come
    change.bytes.clear();
  } else if (write && strikes(path, DiskFault::kMisdirectedWrite, faults_.misdirected_write)) {
    const std::uint64_t sectors = std::max(change.end(), inode->cached.size) / kSectorBytes + 1;
    const std::uint64_t wrong = prng_.below(sectors) * kSectorBytes;
    apply_cached(*inode,
                 {Change::Kind::kAllocate, change.offset, change.length, "", next_change_++});
    change.offset = wrong + change.offset % kSectorBytes;
  }
  apply_cached(*inode, std::move(change));
  return {};
}

// The process was killed while the kernel worked on it: any part may have been done.
void SimDisk::interrupt(const InodePtr& inode, Change change) {
  change.number = next_change_++;
  const std::uint64_t part = prng_.below(3);
  if (part == 0 || inode->cached.pages.missing(change.offset / kPageBytes,
                                               change.end() / kPageBytes + 1) > free_pages())
    return;
  if (part == 1 && change.length > 0) {
    change.length = prng_.between(1, change.length);
    change.bytes.resize(std::min<std::size_t>(change.bytes.size(), change.length));
  }
  apply_cached(*inode, std::move(change));
}

Status SimDisk::finish_sync(const InodePtr& inode, const std::string& path, std::uint64_t before) {
  if (strikes(path, DiskFault::kSyncError, faults_.sync_error)) {
    drop_dirty(*inode, before);
    return fail(Code::kIo, path + ": simulated sync error");
  }
  for (const Change& change : inode->dirty)
    if (change.number < before) inode->durable.apply(change);
  std::erase_if(inode->dirty, [before](const Change& change) { return change.number < before; });
  return {};
}

// After a failed sync Linux marks the pages clean: they may stay readable until evicted, or be gone
// at once, and no later sync writes them.
void SimDisk::drop_dirty(Inode& inode, std::uint64_t before) {
  for (const Change& change : inode.dirty)
    if (change.number < before && prng_.chance(0.3)) inode.durable.apply_unsynced(change, prng_);
  std::erase_if(inode.dirty, [before](const Change& change) { return change.number < before; });
  if (prng_.chance(0.5)) return;
  const std::uint64_t size = inode.cached.size;
  *used_pages_ -= inode.cached.pages.count();
  inode.cached = inode.durable;
  for (const Change& change : inode.dirty) inode.cached.apply(change);
  inode.cached.size = std::max(inode.cached.size, size);
  *used_pages_ += inode.cached.pages.count();
}

bool SimDisk::corrupt(const std::string& path, std::uint64_t offset, std::uint64_t length) {
  const InodePtr inode = find(path);
  if (inode == nullptr || inode->directory || offset + length > inode->cached.size) return false;
  for (std::uint64_t at = offset; at < offset + length; ++at) {
    const auto flips = static_cast<std::byte>(prng_.between(1, 255));
    for (FileImage* image : {&inode->cached, &inode->durable}) {
      std::byte value;
      image->bytes.read(at, {&value, 1});
      value ^= flips;
      if (at < image->size) image->bytes.write(at, {&value, 1});
    }
  }
  return true;
}

bool SimDisk::peek(const std::string& path, std::uint64_t offset, MutableBytes into) const {
  const InodePtr inode = find(path);
  return inode != nullptr && !inode->directory && read(*inode, offset, into) == into.size();
}

bool SimDisk::overwrite(const std::string& path, std::uint64_t offset, ByteView bytes) {
  const InodePtr inode = find(path);
  if (inode == nullptr || inode->directory || offset + bytes.size() > inode->cached.size)
    return false;
  inode->cached.bytes.write(offset, bytes);
  if (offset < inode->durable.size)
    inode->durable.bytes.write(
        offset, bytes.first(std::min<std::uint64_t>(bytes.size(), inode->durable.size - offset)));
  return true;
}

bool SimDisk::truncate(const std::string& path, std::uint64_t size) {
  const InodePtr inode = find(path);
  if (inode == nullptr || inode->directory) return false;
  *used_pages_ -= inode->cached.pages.count();
  for (FileImage* image : {&inode->cached, &inode->durable}) {
    if (size >= image->size) continue;
    image->bytes.clear(size, UINT64_MAX - size);
    image->pages.remove((size + kPageBytes - 1) / kPageBytes, UINT64_MAX / kPageBytes);
    image->size = size;
  }
  *used_pages_ += inode->cached.pages.count();
  return true;
}

void SimDisk::lose_power() {
  const std::uint64_t mood = prng_.below(4);
  const bool keep_all = mood == 0;
  const bool lose_all = mood == 1;
  for (const NameChange& change : std::exchange(name_changes_, {}))
    if (!lose_all && (keep_all || prng_.chance(0.5))) change.apply_durable();
  std::set<const Inode*> seen;
  revert_to_durable(root_, keep_all, lose_all, seen);
}

void SimDisk::revert_to_durable(const InodePtr& inode, bool keep_all, bool lose_all,
                                std::set<const Inode*>& seen) {
  if (!seen.insert(inode.get()).second) return;
  inode->entries = inode->durable_entries;
  for (const auto& [name, entry] : inode->durable_entries)
    revert_to_durable(entry, keep_all, lose_all, seen);
  for (const Change& change : std::exchange(inode->dirty, {})) {
    if (lose_all) continue;
    if (keep_all) {
      inode->durable.apply(change);
    } else {
      inode->durable.apply_unsynced(change, prng_);
    }
  }
  *used_pages_ -= inode->cached.pages.count();
  inode->cached = inode->durable;
  *used_pages_ += inode->cached.pages.count();
  if (inode->kv != nullptr) inode->kv->lose_volatile();
}

std::optional<std::string> SimDisk::contents(const std::string& path) const {
  const InodePtr inode = find(path);
  if (inode == nullptr || inode->directory) return std::nullopt;
  return inode->cached.contents();
}

std::optional<std::string> SimDisk::durable_contents(const std::string& path) const {
  InodePtr inode = root_;
  std::string_view rest(path);
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (name.empty()) continue;
    const auto entry = inode->durable_entries.find(name);
    if (entry == inode->durable_entries.end()) return std::nullopt;
    inode = entry->second;
  }
  if (inode->directory) return std::nullopt;
  return inode->durable.contents();
}

}  // namespace hydra::sim
