// Names, and what tests may do to a disk. sim_disk_data.cc has bytes and power loss.
#include "base/runtime/sim/sim_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/runtime/sim/sim_inode.h"

namespace hydra::sim {

namespace {
constexpr std::string_view kStoreFile = "data.mdb";  // as LMDB names it

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return names;
}

bool is_under(std::string_view path, std::string_view directory) {
  while (directory.ends_with('/')) directory.remove_suffix(1);
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

tl::unexpected<Error> missing(std::string_view path) {
  return fail(Code::kNotFound, fmt::format("{}: no such file or directory", path));
}
}  // namespace

SimDisk::SimDisk(Scheduler& scheduler, const DiskFaults& faults, std::uint64_t seed)
    : scheduler_(scheduler),
      faults_(faults),
      prng_(seed),
      used_pages_(std::make_shared<std::uint64_t>(0)),
      root_(make_inode(true)) {}
SimDisk::~SimDisk() = default;

SimDisk::InodePtr SimDisk::make_inode(bool directory) {
  return std::make_shared<Inode>(next_inode_++, directory, used_pages_);
}

SimDisk::InodePtr SimDisk::find(std::string_view path) const {
  InodePtr inode = root_;
  for (const std::string& name : split(path)) {
    const auto entry = inode->entries.find(name);
    if (entry == inode->entries.end()) return nullptr;
    inode = entry->second;
  }
  return inode;
}

Result<SimDisk::Place> SimDisk::locate(std::string_view path) const {
  std::vector<std::string> names = split(path);
  if (names.empty()) return fail(Code::kInvalidArgument, "the root has no name");
  Place place{root_, std::move(names.back()), nullptr};
  names.pop_back();
  for (const std::string& name : names) {
    const auto entry = place.directory->entries.find(name);
    if (entry == place.directory->entries.end()) return missing(path);
    if (!entry->second->directory) return fail(Code::kIo, "not a directory: " + name);
    place.directory = entry->second;
  }
  const auto entry = place.directory->entries.find(place.name);
  if (entry != place.directory->entries.end()) place.inode = entry->second;
  return place;
}

void SimDisk::record(NameChange change) {
  if (change.from != nullptr) change.from->entries.erase(change.from_name);
  if (change.to != nullptr) change.to->entries[change.to_name] = change.inode;
  name_changes_.push_back(std::move(change));
}

Result<SimDisk::InodePtr> SimDisk::open(const std::string& path, OpenMode mode) {
  HYDRA_TRY(Place place, locate(path));
  const bool may_create = mode == OpenMode::kCreateNew || mode == OpenMode::kLocked;
  if (place.inode != nullptr && mode == OpenMode::kCreateNew)
    return fail(Code::kAlreadyExists, path + " exists");
  if (place.inode == nullptr && !may_create) return missing(path);
  if (place.inode == nullptr) {
    place.inode = make_inode(false);
    record({nullptr, "", place.directory, place.name, place.inode});
  }
  if (place.inode->directory) return fail(Code::kIo, path + " is a directory");
  return place.inode;
}

Status SimDisk::remove(const std::string& path) {
  HYDRA_TRY(const Place place, locate(path));
  if (place.inode == nullptr) return missing(path);
  if (!place.inode->entries.empty()) return fail(Code::kIo, path + ": directory not empty");
  record({place.directory, place.name, nullptr, "", place.inode});
  return {};
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  HYDRA_TRY(const Place old_place, locate(from));
  HYDRA_TRY(const Place new_place, locate(to));
  if (old_place.inode == nullptr) return missing(from);
  if (old_place.inode == new_place.inode) return {};
  if (is_under(to, from)) return fail(Code::kIo, "a directory cannot move into itself");
  if (new_place.inode != nullptr) {
    if (new_place.inode->directory != old_place.inode->directory)
      return fail(Code::kIo, "a file and a directory cannot replace each other");
    if (!new_place.inode->entries.empty()) return fail(Code::kIo, to + ": directory not empty");
  }
  record(
      {old_place.directory, old_place.name, new_place.directory, new_place.name, old_place.inode});
  return {};
}

Status SimDisk::make_directories(const std::string& path) {
  InodePtr inode = root_;
  std::string at;
  for (const std::string& name : split(path)) {
    const auto entry = inode->entries.find(name);
    InodePtr next = entry == inode->entries.end() ? nullptr : entry->second;
    if (next == nullptr) {
      next = make_inode(true);
      record({nullptr, "", inode, name, next});
      HYDRA_CHECK_OK(sync_directory(at.empty() ? "/" : at));
    }
    if (!next->directory) return fail(Code::kIo, "not a directory: " + name);
    inode = next;
    at += "/" + name;
  }
  return {};
}

// A change that another directory shares takes that one's earlier changes with it, so that order
// holds.
Status SimDisk::sync_directory(const std::string& path) {
  const InodePtr directory = find(path);
  if (directory == nullptr) return missing(path);
  std::vector<InodePtr> involved{directory};
  std::vector<bool> included(name_changes_.size());
  for (std::size_t i = name_changes_.size(); i-- > 0;) {
    const NameChange& change = name_changes_[i];
    included[i] = std::any_of(involved.begin(), involved.end(),
                              [&](const InodePtr& inode) { return change.touches(inode); });
    if (!included[i]) continue;
    for (const InodePtr& end : {change.from, change.to})
      if (end != nullptr) involved.push_back(end);
  }
  std::vector<NameChange> rest;
  for (std::size_t i = 0; i < name_changes_.size(); ++i) {
    if (included[i]) {
      name_changes_[i].apply_durable();
    } else {
      rest.push_back(std::move(name_changes_[i]));
    }
  }
  name_changes_ = std::move(rest);
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& path) const {
  const InodePtr directory = find(path);
  if (directory == nullptr) return missing(path);
  if (!directory->directory) return fail(Code::kIo, "not a directory: " + path);
  std::vector<std::string> names;
  for (const auto& [name, inode] : directory->entries) names.push_back(name);
  return names;
}

Result<std::shared_ptr<kv::MemoryImage>> SimDisk::open_kv(const std::string& path) {
  prepare_directory(path);
  const std::string file = path + "/" + std::string(kStoreFile);
  if (!exists(file)) put(file, "");
  const InodePtr inode = find(file);
  if (inode->directory) return fail(Code::kIo, file + " is a directory");
  if (inode->kv == nullptr) inode->kv = std::make_shared<kv::MemoryImage>();
  return inode->kv;
}

std::shared_ptr<kv::MemoryImage> SimDisk::kv_image(const std::string& path) const {
  const InodePtr inode = find(path + "/" + std::string(kStoreFile));
  return inode == nullptr ? nullptr : inode->kv;
}

std::uint64_t SimDisk::lock(const InodePtr& inode) {
  const auto [entry, fresh] = locked_.try_emplace(inode->number, next_lock_);
  return fresh ? next_lock_++ : 0;
}

void SimDisk::unlock(const InodePtr& inode, std::uint64_t number) {
  const auto entry = locked_.find(inode->number);
  if (entry != locked_.end() && entry->second == number) locked_.erase(entry);
}

void SimDisk::inject(std::string path, DiskFault fault, std::uint64_t times) {
  injected_.push_back({std::move(path), fault, times});
}

bool SimDisk::strikes(const std::string& path, DiskFault fault, double rate) {
  for (auto injected = injected_.begin(); injected != injected_.end(); ++injected) {
    if (injected->fault != fault || !is_under(path, injected->path)) continue;
    if (--injected->times == 0) injected_.erase(injected);
    return true;
  }
  return prng_.chance(rate);
}

void SimDisk::prepare_directory(const std::string& path) {
  InodePtr inode = root_;
  for (const std::string& name : split(path)) {
    InodePtr& next = inode->entries[name];
    if (next == nullptr) next = make_inode(true);
    inode->durable_entries[name] = next;
    inode = next;
  }
}

void SimDisk::put(const std::string& path, std::string_view bytes) {
  std::vector<std::string> names = split(path);
  HYDRA_ASSERT(!names.empty());
  const std::string name = std::move(names.back());
  names.pop_back();
  prepare_directory(fmt::format("{}", fmt::join(names, "/")));
  const InodePtr directory = find(fmt::format("{}", fmt::join(names, "/")));
  const InodePtr inode = make_inode(false);
  apply_cached(*inode, {Change::Kind::kWrite, 0, bytes.size(), std::string(bytes), 0});
  inode->durable = inode->cached;
  inode->dirty.clear();
  directory->entries[name] = directory->durable_entries[name] = inode;
}

bool SimDisk::erase(const std::string& path) {
  const Result<Place> place = locate(path);
  if (!place || place->inode == nullptr) return false;
  place->directory->entries.erase(place->name);
  place->directory->durable_entries.erase(place->name);
  std::erase_if(name_changes_,
                [&](const NameChange& change) { return change.inode == place->inode; });
  return true;
}

void SimDisk::wipe() {
  name_changes_.clear();
  root_ = make_inode(true);
}

bool SimDisk::exists(const std::string& path) const { return find(path) != nullptr; }

std::vector<std::string> SimDisk::files(const std::string& directory) const {
  const InodePtr inode = find(directory);
  if (inode == nullptr) return {};
  std::vector<std::string> paths;
  const std::string prefix = directory.ends_with('/') ? directory : directory + "/";
  for (const auto& [name, entry] : inode->entries) {
    if (!entry->directory) {
      paths.push_back(prefix + name);
      continue;
    }
    for (std::string& path : files(prefix + name)) paths.push_back(std::move(path));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string SimDisk::report() const {
  std::size_t dirty = 0;
  for (const std::string& path : files()) dirty += find(path)->dirty.size();
  return fmt::format("\n    disk: {} bytes used, {} changes of bytes and {} of names not synced",
                     used_bytes(), dirty, name_changes_.size());
}

}  // namespace hydra::sim
