// RowWriter and RowReader: the fields of which rows are made (rows_format.h). Little-endian
// numbers, texts with a 4-byte length. A reader that meets damage returns zeros from then on and
// says so in ok(). Any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/endian.h"
#include "base/ids.h"

namespace hydra::catalog {

class RowWriter {
 public:
  RowWriter(std::uint8_t version, std::size_t capacity) {
    out_.reserve(capacity);
    number(version);
  }
  template <std::unsigned_integral T>
  void number(T value) {
    char bytes[sizeof value];
    store_le<T>(bytes, value);
    out_.append(bytes, sizeof bytes);
  }
  void time(std::int64_t ms) { number(static_cast<std::uint64_t>(ms)); }
  void count(std::size_t n) { number(static_cast<std::uint32_t>(n)); }
  void text(std::string_view text) {
    count(text.size());
    out_ += text;
  }
  void raw(ByteView bytes) { append(out_, bytes); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class RowReader {
 public:
  explicit RowReader(ByteView row) : rest_(row) {}

  template <std::unsigned_integral T>
  T number() {
    const ByteView bytes = raw(sizeof(T));
    return bytes.empty() ? T{0} : load_le<T>(bytes.data());
  }
  std::int64_t time() { return static_cast<std::int64_t>(number<std::uint64_t>()); }
  // How many items follow, each of at least `least_bytes`: never more than the rest can hold.
  std::size_t count(std::size_t least_bytes) {
    const auto n = number<std::uint32_t>();
    if (n > rest_.size() / least_bytes) damaged();
    return ok_ ? n : 0;
  }
  std::string_view text() { return as_text(raw(count(1))); }
  template <typename AnyId>
  AnyId id() {
    const ByteView bytes = raw(sizeof(AnyId::bytes));
    return bytes.empty() ? AnyId{} : AnyId::from(bytes);
  }
  // Empty when there are not as many.
  ByteView raw(std::size_t size) {
    if (size > rest_.size()) damaged();
    if (!ok_) return {};
    const ByteView bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return bytes;
  }
  // A number that must be at most `greatest`.
  template <std::unsigned_integral T>
  T at_most(T greatest) {
    const T value = number<T>();
    if (value > greatest) damaged();
    return ok_ ? value : T{0};
  }
  void damaged() { ok_ = false; }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  ByteView rest_;
  bool ok_ = true;
};

}  // namespace hydra::catalog
