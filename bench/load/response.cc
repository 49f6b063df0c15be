#include "bench/load/response.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace hydra::bench {

namespace {

constexpr std::size_t kMaxHeadBytes = 64 * 1024;
constexpr std::size_t kMaxLineBytes = 4096;

bool same_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

template <typename Number>
bool parse(std::string_view text, Number& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void ResponseReader::begin(bool to_head) {
  state_ = State::kHead;
  to_head_ = to_head;
  head_.clear();
  line_.clear();
  status_ = 0;
  keep_alive_ = true;
  chunked_ = has_length_ = false;
  left_ = 0;
}

Result<std::size_t> ResponseReader::feed(std::string_view bytes, const OnBody& on_body) {
  const std::size_t given = bytes.size();
  while (!bytes.empty() && state_ != State::kDone) {
    if (state_ == State::kHead) {
      // The empty line may begin in what came before.
      const std::size_t before = head_.size();
      head_.append(bytes.substr(0, kMaxHeadBytes - std::min(before, kMaxHeadBytes)));
      const std::size_t end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
      if (end == std::string::npos) {
        if (head_.size() >= kMaxHeadBytes) return fail(Code::kTooLarge, "the head never ends");
        return given;
      }
      bytes.remove_prefix(end + 4 - before);
      head_.resize(end + 2);
      HYDRA_CHECK_OK(head_is_whole());
    } else if (state_ == State::kBody || state_ == State::kChunkData) {
      take_data(bytes, on_body);
    } else {
      if (line_.size() > kMaxLineBytes) return fail(Code::kTooLarge, "a line never ends");
      if (take_line(bytes)) HYDRA_CHECK_OK(line_is_whole());
    }
  }
  return given - bytes.size();
}

void ResponseReader::take_data(std::string_view& bytes, const OnBody& on_body) {
  const std::size_t now = std::min<std::uint64_t>(bytes.size(), left_);
  on_body(bytes.substr(0, now));
  bytes.remove_prefix(now);
  left_ -= now;
  if (left_ == 0) state_ = state_ == State::kBody ? State::kDone : State::kChunkEnd;
}

bool ResponseReader::take_line(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  line_.append(bytes.substr(0, end));
  bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  if (end == std::string_view::npos) return false;
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  return true;
}

Status ResponseReader::line_is_whole() {
  const std::string line = std::move(line_);
  line_.clear();
  if (state_ == State::kChunkEnd) {
    if (!line.empty()) return fail(Code::kInvalidArgument, "a chunk is longer than its size");
    state_ = State::kChunkLine;
  } else if (state_ == State::kTrailers) {
    if (line.empty()) state_ = State::kDone;
  } else {
    if (!parse(std::string_view(line).substr(0, line.find(';')), left_, 16))
      return fail(Code::kInvalidArgument, "no chunk size: " + line);
    state_ = left_ == 0 ? State::kTrailers : State::kChunkData;
  }
  return {};
}

Status ResponseReader::header(std::string_view name, std::string_view value) {
  if (same_text(name, "content-length")) {
    has_length_ = true;
    if (!parse(value, left_)) return fail(Code::kInvalidArgument, "Content-Length");
  } else if (same_text(name, "transfer-encoding")) {
    chunked_ = same_text(value, "chunked");
  } else if (same_text(name, "connection")) {
    keep_alive_ = !same_text(value, "close");
  }
  return {};
}

Status ResponseReader::head_is_whole() {
  std::string_view rest = head_;
  if (!rest.starts_with("HTTP/1.") || rest.size() < 12 || !parse(rest.substr(9, 3), status_))
    return fail(Code::kInvalidArgument, "no status line");
  rest.remove_prefix(rest.find("\r\n") + 2);
  while (!rest.empty()) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(Code::kInvalidArgument, "no header");
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
      value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    HYDRA_CHECK_OK(header(line.substr(0, colon), value));
  }
  if (status_ / 100 == 1) {
    begin(to_head_);
    return {};
  }
  if (to_head_ || status_ == 204 || status_ == 304) {
    state_ = State::kDone;
  } else if (chunked_) {
    state_ = State::kChunkLine;
  } else if (has_length_) {
    state_ = left_ == 0 ? State::kDone : State::kBody;
  } else {
    return fail(Code::kUnsupported, "a response without length");
  }
  return {};
}

}  // namespace hydra::bench
