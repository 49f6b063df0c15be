// Borrowed and owned bytes. ByteView and MutableBytes borrow; Buffer owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hydra {

using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline void append(std::string& out, ByteView bytes) { out.append(as_text(bytes)); }

// Overwrites memory in a way the compiler may not remove; for keys.
void secure_clear(MutableBytes bytes);

// A fixed-capacity block of uninitialised memory, aligned to 64 bytes; size() is the used prefix.
// Move-only, owns its memory, belongs to one thread at a time.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t capacity);
  static Buffer copy_of(ByteView bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  void resize(std::size_t size);  // asserts size <= capacity; new bytes are uninitialised
  void append(ByteView bytes);    // asserts that they fit

  MutableBytes span() { return {data_, size_}; }
  ByteView view() const { return {data_, size_}; }
  MutableBytes spare() { return {data_ + size_, capacity_ - size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

using SharedBuffer = std::shared_ptr<const Buffer>;

}  // namespace hydra
