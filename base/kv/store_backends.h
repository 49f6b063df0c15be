// The backends that the shared test suite runs over, each as a place that can be opened again and
// again.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/kv/lmdb_store.h"
#include "base/kv/memory_store.h"

namespace hydra::kv {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hydra_kv_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path() const { return path_; }

 private:
  std::string path_;
};

class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<Store> open(Options options = {}) = 0;
};

class LmdbPlace : public Place {
 public:
  std::unique_ptr<Store> open(Options options) override {
    auto store = open_lmdb(directory_.path() + "/store", options);
    EXPECT_TRUE(store) << store.error().to_string();
    return store ? std::move(*store) : nullptr;
  }

 private:
  TemporaryDirectory directory_;
};

class MemoryPlace : public Place {
 public:
  std::unique_ptr<Store> open(Options options) override { return open_memory(image_, options); }

 private:
  std::shared_ptr<MemoryImage> image_ = std::make_shared<MemoryImage>();
};

struct Backend {
  const char* name;
  std::unique_ptr<Place> (*make)();
};
inline void PrintTo(const Backend& backend, std::ostream* out) { *out << backend.name; }

inline const Backend kBackends[] = {
    {"Lmdb", [] { return std::unique_ptr<Place>(std::make_unique<LmdbPlace>()); }},
    {"Memory", [] { return std::unique_ptr<Place>(std::make_unique<MemoryPlace>()); }},
};
inline std::string backend_name(const testing::TestParamInfo<Backend>& info) {
  return info.param.name;
}

}  // namespace hydra::kv
