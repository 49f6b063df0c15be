#include "nodeagent/store/log_reader.h"

#include <algorithm>

namespace hydra::agent {
namespace {

constexpr std::uint64_t kWalkWindow = 64u << 10;   // records may be far apart
constexpr std::uint64_t kSearchWindow = 1u << 20;  // every byte is looked at

}  // namespace

LogReader::LogReader(LogPtr log, NodeIdentity node, std::uint64_t from)
    : log_(log), walker_(node, log->generation, from, log->log_bytes), window_(kSearchWindow) {}

Task<Status> LogReader::load(LogWalker::Need need) {
  const std::uint64_t wanted =
      std::min(std::max(need.length, need.searching ? kSearchWindow : kWalkWindow),
               log_->log_bytes - need.offset);
  window_.resize(wanted);
  window_offset_ = need.offset;
  const auto got = co_await log_->file->read(window_.span(), need.offset);
  if (got) {
    std::fill(window_.data() + *got, window_.data() + wanted, std::byte{0});
    co_return Status();
  }
  if (got.error().code != Code::kIo) co_return fail(got.error());
  unreadable_ = true;
  co_await load_by_pages();
  co_return Status();
}

Task<void> LogReader::load_by_pages() {
  std::fill(window_.data(), window_.data() + window_.size(), std::byte{0});
  for (std::uint64_t at = 0; at < window_.size();) {
    const std::uint64_t page_end = round_up(window_offset_ + at + 1, kPageBytes) - window_offset_;
    const std::uint64_t length = std::min<std::uint64_t>(page_end, window_.size()) - at;
    const MutableBytes page = window_.span().subspan(at, length);
    const auto got = co_await log_->file->read(page, window_offset_ + at);
    if (!got) std::fill(page.begin(), page.end(), std::byte{0});
    at += length;
  }
}

Task<Result<LogWalker::Step>> LogReader::next() {
  for (;;) {
    const LogWalker::Step step = walker_.step(window_offset_, window_.view());
    const auto* need = std::get_if<LogWalker::Need>(&step);
    if (need == nullptr) co_return step;
    HYDRA_CO_CHECK_OK(co_await load(*need));
  }
}

}  // namespace hydra::agent
