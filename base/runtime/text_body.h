// For tests: a body that is a text, and a sink that keeps what it is given.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/runtime/source.h"

namespace hydra {

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  Task<Result<std::size_t>> read(MutableBytes into) override {
    const std::size_t now = std::min(into.size(), text_.size() - at_);
    if (now > 0) std::memcpy(into.data(), text_.data() + at_, now);
    at_ += now;
    co_return now;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

class TextSink final : public ByteSink {
 public:
  Task<Status> write(ByteView bytes) override {
    append(text, bytes);
    co_return Status();
  }
  std::string text;
};

}  // namespace hydra
