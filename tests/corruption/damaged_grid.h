// DamagedGrid: six nodes with real shard stores, a catalog and the object pipeline over them, some
// objects, and the means to harm their shards and to look what became of them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/sim/run_sim.h"
#include "gateway/heal/notices.h"
#include "gateway/object/object_store.h"
#include "tests/corruption/disk_grid.h"

namespace hydra::corruption {

struct Object {
  std::string key;
  std::string bytes;
  catalog::Extent extent;           // its only one
  std::vector<Record> records;      // of its shards, by index
  std::vector<std::string> images;  // their bytes

  std::string content(std::size_t index) const {
    return images[index].substr(agent::kRecordHeaderBytes, records[index].header.shard_bytes);
  }
  int k() const { return extent.profile.k; }
  int m() const { return extent.profile.m; }
  std::size_t shards() const { return extent.nodes.size(); }
  ShardId shard(std::size_t index) const { return {extent.id, static_cast<std::uint8_t>(index)}; }
};

// What a read gave.
enum class Answer { kRight, kError, kWrong };

class DamagedGrid {
 public:
  DamagedGrid();
  ~DamagedGrid();

  // 1+2 with a block, 4+2 with a block, and 4+2 with two blocks whose record ends on a page.
  const Object& small() const { return objects_[0]; }
  const Object& medium() const { return objects_[1]; }
  const Object& large() const { return objects_[2]; }
  const std::vector<Object>& objects() const { return objects_; }
  DiskGrid& grid() { return grid_; }
  Loop& loop() { return process_.loop(); }
  catalog::Catalog& catalog() { return *catalog_; }
  const object::PlacementBoard& board() const { return board_; }
  heal::Notices& notices() { return notices_; }
  // All tasks end where they stand; nothing runs any more.
  void stop() { process_.crash(); }
  // Lets time pass until it holds; false when that takes too long.
  bool settles(const std::function<bool()>& holds) {
    return simulation_.run_until(holds, 3600 * kSecond);
  }
  object::ObjectStore& store() { return *store_; }

  Answer read(const Object& object, std::uint64_t offset = 0, std::uint64_t length = UINT64_MAX);
  // Whether its agent finds the shard whole.
  bool whole(const Object& object, std::size_t index);
  // A valid record of the shard with other content, written by the store itself.
  void write_shard(const Object& object, std::size_t index, const std::string& content);

  // Closes these nodes, runs `harm`, forgets their indexes and opens them again.
  void restart_from_logs(const std::vector<NodeId>& nodes, const std::function<void()>& harm);
  // As all was in the beginning.
  void restore(const std::vector<NodeId>& nodes);

  template <typename Make>
  auto run(Make&& make) {
    return sim::run_in(process_, make);
  }

 private:
  Object put(std::string key, std::size_t bytes);

  sim::Simulation simulation_;
  sim::Process& process_;
  DiskGrid grid_;
  std::unique_ptr<catalog::Catalog> catalog_;
  object::PlacementBoard board_;
  heal::Notices notices_;
  object::KeyRing keys_;
  std::unique_ptr<object::ObjectStore> store_;
  catalog::BucketId bucket_ = 0;
  std::vector<Object> objects_;
  std::map<NodeId, DiskGrid::Logs> pristine_;
};

}  // namespace hydra::corruption
