#include "base/kv/memory_store.h"

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/assert.h"

namespace hydra::kv {
namespace {

// A treap whose priorities are hashes of the keys: its shape follows from its content alone. Nodes
// are never changed; a write copies the path to the root.
struct Entry {
  std::string key;
  std::string value;
  std::uint64_t priority;
};
struct Node;
using Tree = std::shared_ptr<const Node>;
struct Node {
  std::shared_ptr<const Entry> entry;
  Tree left;
  Tree right;
};

std::uint64_t priority_of(std::string_view key) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, then a finisher for its weak upper bits
  for (unsigned char byte : key) hash = (hash ^ byte) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  return hash ^ (hash >> 29);
}

Tree make_node(std::shared_ptr<const Entry> entry, Tree left, Tree right) {
  return std::make_shared<Node>(Node{std::move(entry), std::move(left), std::move(right)});
}

const Entry* find(const Node* node, std::string_view key) {
  while (node != nullptr) {
    int order = key.compare(node->entry->key);
    if (order == 0) return node->entry.get();
    node = order < 0 ? node->left.get() : node->right.get();
  }
  return nullptr;
}

// The first entry at or after `key` (after it when `strictly`).
const Entry* find_after(const Node* node, std::string_view key, bool strictly) {
  const Entry* best = nullptr;
  while (node != nullptr) {
    int order = node->entry->key.compare(key);
    if (order > 0 || (order == 0 && !strictly)) {
      best = node->entry.get();
      node = node->left.get();
    } else {
      node = node->right.get();
    }
  }
  return best;
}

const Entry* find_before(const Node* node, std::string_view key) {
  const Entry* best = nullptr;
  while (node != nullptr) {
    if (node->entry->key < key) {
      best = node->entry.get();
      node = node->right.get();
    } else {
      node = node->left.get();
    }
  }
  return best;
}

// The entries before `key` and those after it; one that equals it is left out.
std::pair<Tree, Tree> split(const Tree& tree, std::string_view key) {
  if (!tree) return {};
  int order = tree->entry->key.compare(key);
  if (order == 0) return {tree->left, tree->right};
  if (order < 0) {
    auto [middle, right] = split(tree->right, key);
    return {make_node(tree->entry, tree->left, std::move(middle)), std::move(right)};
  }
  auto [left, middle] = split(tree->left, key);
  return {std::move(left), make_node(tree->entry, std::move(middle), tree->right)};
}

// All of `left` comes before all of `right`.
Tree join(const Tree& left, const Tree& right) {
  if (!left) return right;
  if (!right) return left;
  if (left->entry->priority > right->entry->priority)
    return make_node(left->entry, left->left, join(left->right, right));
  return make_node(right->entry, join(left, right->left), right->right);
}

Tree insert(const Tree& tree, const std::shared_ptr<const Entry>& entry) {
  if (tree && tree->entry->priority >= entry->priority) {
    int order = entry->key.compare(tree->entry->key);
    if (order == 0) return make_node(entry, tree->left, tree->right);
    if (order < 0) return make_node(tree->entry, insert(tree->left, entry), tree->right);
    return make_node(tree->entry, tree->left, insert(tree->right, entry));
  }
  auto [left, right] = split(tree, entry->key);
  return make_node(entry, std::move(left), std::move(right));
}

Tree remove(const Tree& tree, std::string_view key) {
  int order = key.compare(tree->entry->key);
  if (order == 0) return join(tree->left, tree->right);
  if (order < 0) return make_node(tree->entry, remove(tree->left, key), tree->right);
  return make_node(tree->entry, tree->left, remove(tree->right, key));
}

std::size_t count(const Tree& tree) {
  return tree ? 1 + count(tree->left) + count(tree->right) : 0;
}

// What a snapshot and a transaction have in common.
struct View {
  Tree tree;
  std::uint64_t writes = 0;

  Result<std::optional<ByteView>> get(ByteView key) const {
    const Entry* entry = find(tree.get(), as_text(key));
    if (entry == nullptr) return std::nullopt;
    return as_bytes(entry->value);
  }
};

class MemoryCursor : public Cursor {
 public:
  explicit MemoryCursor(std::shared_ptr<const View> view) : view_(std::move(view)) {}

  Result<bool> seek(ByteView key) override {
    return settle(find_after(view_->tree.get(), as_text(key), false));
  }
  Result<bool> next() override {
    if (!valid_) return false;
    return settle(find_after(view_->tree.get(), key_, true));
  }
  Result<bool> seek_before(ByteView key) override {
    return settle(find_before(view_->tree.get(), as_text(key)));
  }
  ByteView key() const override {
    HYDRA_ASSERT(valid_);
    return as_bytes(key_);
  }
  ByteView value() const override {
    HYDRA_ASSERT(valid_ && writes_ == view_->writes);
    return as_bytes(entry_->value);
  }

 private:
  bool settle(const Entry* entry) {
    valid_ = entry != nullptr;
    entry_ = entry;
    writes_ = view_->writes;
    if (valid_) key_ = entry->key;
    return valid_;
  }

  std::shared_ptr<const View> view_;
  const Entry* entry_ = nullptr;
  std::string key_;
  bool valid_ = false;
  std::uint64_t writes_ = 0;
};

class MemorySnapshot : public Snapshot {
 public:
  explicit MemorySnapshot(Tree tree) : view_(std::make_shared<View>(View{std::move(tree)})) {}
  Result<std::optional<ByteView>> get(ByteView key) override { return view_->get(key); }
  std::unique_ptr<Cursor> cursor() override { return std::make_unique<MemoryCursor>(view_); }

 private:
  std::shared_ptr<View> view_;
};

}  // namespace

struct MemoryImage::State {
  mutable std::mutex mutex;  // of what follows, but for the writer's lock
  Tree current;              // what a process crash leaves
  Tree durable;              // what a power loss leaves
  std::uint64_t power_losses = 0;
  std::size_t failures = 0;
  Code failure = Code::kIo;

  std::mutex writer_lock;
  std::atomic<std::thread::id> writer{};

  // Called with the mutex held. `fenced` is the calling store's.
  Status meet_failure(std::atomic<bool>& fenced) {
    if (fenced) return fail(Code::kFenced, "key-value store failed a write");
    if (failures == 0) return {};
    --failures;
    if (failure == Code::kIo) fenced = true;
    return fail(failure, "injected");
  }
};

MemoryImage::MemoryImage() : state_(std::make_unique<State>()) {}
MemoryImage::~MemoryImage() = default;

void MemoryImage::lose_volatile() {
  std::lock_guard lock(state_->mutex);
  state_->current = state_->durable;
  ++state_->power_losses;
}

void MemoryImage::fail_commits(std::size_t n, Code code) {
  std::lock_guard lock(state_->mutex);
  state_->failures = n;
  state_->failure = code;
}

std::size_t MemoryImage::size() const {
  std::lock_guard lock(state_->mutex);
  return count(state_->current);
}

class MemoryTransaction : public Transaction {
 public:
  MemoryTransaction(std::shared_ptr<MemoryImage> image, bool durable,
                    std::shared_ptr<std::atomic<bool>> fenced)
      : image_(std::move(image)),
        durable_(durable),
        fenced_(std::move(fenced)),
        view_(std::make_shared<View>()) {
    MemoryImage::State& state = *image_->state_;
    HYDRA_ASSERT(state.writer.load() != std::this_thread::get_id());
    state.writer_lock.lock();
    state.writer = std::this_thread::get_id();
    std::lock_guard lock(state.mutex);
    view_->tree = state.current;
    power_losses_ = state.power_losses;
  }
  ~MemoryTransaction() override { end(); }

  Result<std::optional<ByteView>> get(ByteView key) override {
    HYDRA_ASSERT(!ended_);
    return view_->get(key);
  }
  std::unique_ptr<Cursor> cursor() override {
    HYDRA_ASSERT(!ended_);
    return std::make_unique<MemoryCursor>(view_);
  }

  Status put(ByteView key, ByteView value) override {
    HYDRA_ASSERT(!ended_);
    if (key.empty()) return fail(Code::kInvalidArgument, "empty key");
    if (key.size() > kMaxKeyBytes) return fail(Code::kTooLarge, "key too long");
    if (value.size() > kMaxValueBytes) return fail(Code::kTooLarge, "value too long");
    std::string_view text = as_text(key);
    auto entry = std::make_shared<const Entry>(
        Entry{std::string(text), std::string(as_text(value)), priority_of(text)});
    ++view_->writes;
    view_->tree = insert(view_->tree, entry);
    return {};
  }

  Status erase(ByteView key) override {
    HYDRA_ASSERT(!ended_);
    ++view_->writes;
    if (find(view_->tree.get(), as_text(key)) != nullptr)
      view_->tree = remove(view_->tree, as_text(key));
    return {};
  }

  Status commit() override {
    HYDRA_ASSERT(!ended_);
    Status status = publish();
    end();
    return status;
  }

 private:
  Status publish() {
    MemoryImage::State& state = *image_->state_;
    std::lock_guard lock(state.mutex);
    HYDRA_CHECK_OK(state.meet_failure(*fenced_));
    if (power_losses_ != state.power_losses) return fail(Code::kAborted, "power was lost");
    state.current = view_->tree;
    if (durable_) state.durable = view_->tree;
    return {};
  }
  void end() {
    if (std::exchange(ended_, true)) return;
    MemoryImage::State& state = *image_->state_;
    HYDRA_ASSERT(state.writer.load() == std::this_thread::get_id());
    state.writer = std::thread::id();
    state.writer_lock.unlock();
  }

  std::shared_ptr<MemoryImage> image_;
  bool durable_;
  std::shared_ptr<std::atomic<bool>> fenced_;
  std::shared_ptr<View> view_;
  std::uint64_t power_losses_ = 0;
  bool ended_ = false;
};

class MemoryStore : public Store {
 public:
  MemoryStore(std::shared_ptr<MemoryImage> image, Options options)
      : image_(std::move(image)), options_(options) {}

  Result<std::unique_ptr<Snapshot>> snapshot() override {
    std::lock_guard lock(image_->state_->mutex);
    return std::make_unique<MemorySnapshot>(image_->state_->current);
  }
  Result<std::unique_ptr<Transaction>> begin() override {
    if (*fenced_) return fail(Code::kFenced, "key-value store failed a write");
    return std::make_unique<MemoryTransaction>(image_, options_.durable, fenced_);
  }
  Status sync() override {
    MemoryImage::State& state = *image_->state_;
    std::lock_guard lock(state.mutex);
    HYDRA_CHECK_OK(state.meet_failure(*fenced_));
    state.durable = state.current;
    return {};
  }

 private:
  std::shared_ptr<MemoryImage> image_;
  Options options_;
  std::shared_ptr<std::atomic<bool>> fenced_ = std::make_shared<std::atomic<bool>>(false);
};

std::unique_ptr<Store> open_memory(std::shared_ptr<MemoryImage> image, Options options) {
  return std::make_unique<MemoryStore>(std::move(image), options);
}

}  // namespace hydra::kv
