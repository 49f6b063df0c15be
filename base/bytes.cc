#include "base/bytes.h"

#include <utility>

#include "base/assert.h"
#include "base/free_lists.h"

namespace hydra {

namespace {
// Blocks below 9 KiB, which hold a small object, are recycled.
using BlockLists = FreeLists<1024, 10, 64, 64>;
BlockLists& block_lists() {
  thread_local BlockLists lists;
  return lists;
}
}  // namespace

void secure_clear(MutableBytes bytes) {
  volatile std::byte* p = bytes.data();
  for (std::size_t i = 0; i < bytes.size(); ++i) p[i] = std::byte{0};
}

Buffer::Buffer(std::size_t capacity) : capacity_(capacity) {
  if (capacity > 0) data_ = static_cast<std::byte*>(block_lists().allocate(capacity));
}

Buffer Buffer::copy_of(ByteView bytes) {
  Buffer buffer(bytes.size());
  buffer.append(bytes);
  return buffer;
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) block_lists().release(data_, capacity_);
}

void Buffer::resize(std::size_t size) {
  HYDRA_ASSERT(size <= capacity_);
  size_ = size;
}

void Buffer::append(ByteView bytes) {
  HYDRA_ASSERT(bytes.size() <= capacity_ - size_);
  if (!bytes.empty()) std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

}  // namespace hydra
