// How hydractl writes numbers and tables. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hydra::ctl {

std::string bytes_text(std::uint64_t count);           // 512 B, 1.5 GiB
std::string duration_text(std::int64_t milliseconds);  // 0.3 s, 3 min, 4 h, 12 d
std::string latency_text(std::int64_t microseconds);   // 250 us, 1.9 ms; 0 is unknown: -
// "no extents", "1 extent", "7 extents".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);
// "83.1 %" of a number from 0 to 1; nothing is unknown: -
std::string share_text(std::optional<double> share);
// What others named must not steer the terminal: control characters become '?'.
std::string printable(std::string text);

enum class Colour { kGreen, kYellow, kRed };
// `text` in that colour and bold if `colours`, else as it is.
std::string coloured(std::string_view text, Colour colour, bool colours);

// Columns as wide as their widest cell, two spaces between them. Cells are made printable.
class Table {
 public:
  // Heads that begin with '>' are of numbers, which are set to the right.
  explicit Table(std::vector<std::string> heads);
  // As many cells as there are heads.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::size_t size() const { return rows_.size() - 1; }
  std::string to_string() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // the heads are the first
};

}  // namespace hydra::ctl
