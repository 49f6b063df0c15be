// For tests: a body that is a text, and a sink that keeps what it is given.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/runtime/source.h"

namespace hydra {

class TextSource final : public ByteSource {
 public:
  // With `failure` its end is that error, as of a body that fails its check.
  explicit TextSource(std::string text, std::optional<Code> failure = {})
      : text_(std::move(text)), failure_(failure) {}
  Task<Result<std::size_t>> read(MutableBytes into) override {
    const std::size_t now = std::min(into.size(), text_.size() - at_);
    if (now > 0) std::memcpy(into.data(), text_.data() + at_, now);
    at_ += now;
    if (now < into.size() && failure_) co_return fail(*failure_, "the source failed its check");
    co_return now;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
  std::optional<Code> failure_;
};

class TextSink : public ByteSink {
 public:
  Task<Status> write(ByteView bytes) override {
    append(text, bytes);
    if (on_write) on_write();
    co_return Status();
  }
  std::string text;
  std::function<void()> on_write;
};

}  // namespace hydra
