// Files and directories of a SimDisk. Internal to it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/kv/memory_store.h"
#include "base/runtime/sim/sim_disk.h"
#include "base/runtime/sim/sim_image.h"

namespace hydra::sim {

struct SimDisk::Inode {
  Inode(std::uint64_t inode_number, bool is_directory, std::shared_ptr<std::uint64_t> meter)
      : number(inode_number), directory(is_directory), used_pages(std::move(meter)) {}
  Inode(const Inode&) = delete;
  Inode& operator=(const Inode&) = delete;
  ~Inode() { *used_pages -= cached.pages.count(); }

  std::uint64_t number;
  bool directory;
  std::shared_ptr<std::uint64_t> used_pages;
  // A directory.
  std::map<std::string, InodePtr> entries;
  std::map<std::string, InodePtr> durable_entries;
  // A file.
  FileImage cached;
  FileImage durable;
  std::vector<Change> dirty;  // what `cached` has beyond `durable`, in order
  // The file of a key-value store, in place of bytes.
  std::shared_ptr<kv::MemoryImage> kv;
};

// One creation (`from` is null), removal (`to` is null) or rename; atomic.
struct SimDisk::NameChange {
  InodePtr from;
  std::string from_name;
  InodePtr to;
  std::string to_name;
  InodePtr inode;

  bool touches(const InodePtr& directory) const { return from == directory || to == directory; }
  void apply_durable() const {
    if (from != nullptr) {
      const auto entry = from->durable_entries.find(from_name);
      if (entry != from->durable_entries.end() && entry->second == inode)
        from->durable_entries.erase(entry);
    }
    if (to != nullptr) to->durable_entries[to_name] = inode;
  }
};

}  // namespace hydra::sim
