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
  HYDRA_CO_TRY(const std::size_t got, co_await log_->file->read(window_.span(), need.offset));
  std::fill(window_.data() + got, window_.data() + wanted, std::byte{0});
  co_return Status();
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
