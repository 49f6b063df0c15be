#include "gateway/ctl/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace hydra::ctl {

namespace {

using admin::GridStatus;
using admin::NodeStatus;
using admin::Verdict;

std::string bytes(std::uint64_t count) {
  constexpr std::array<std::string_view, 7> kUnits = {"B",   "KiB", "MiB", "GiB",
                                                      "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(count);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit > 0 && value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string age(std::int64_t milliseconds) {
  const std::int64_t seconds = milliseconds / 1000;
  if (seconds < 10) return fmt::format("{:.1f} s", static_cast<double>(milliseconds) / 1000);
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  if (seconds < 172'800) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86'400);
}

std::string latency(std::int64_t microseconds) {
  if (microseconds == 0) return "-";
  if (microseconds < 1000) return fmt::format("{} us", microseconds);
  return fmt::format("{:.1f} ms", static_cast<double>(microseconds) / 1000);
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count == 0 ? "no" : std::to_string(count), count == 1 ? one : many);
}

std::string state(const NodeStatus& node) {
  std::string text(node.word());
  if (!node.seen) text += ", not seen";
  if (node.draining) text += ", draining";
  return text;
}

using Row = std::vector<std::string>;

Row row_of(const NodeStatus& node) {
  Row row = {std::to_string(node.id), node.name, node.zone, state(node)};
  if (!node.seen) {
    row.insert(row.end(), {"-", bytes(node.capacity_bytes), "-", "-", "-", "-"});
    return row;
  }
  row.insert(row.end(), {bytes(node.load.used_bytes), bytes(node.capacity_bytes),
                         std::to_string(node.load.shards), age(node.heartbeat_age_ms),
                         latency(node.latency_p50_us), latency(node.latency_p95_us)});
  return row;
}

// Characters that a terminal shows, for UTF-8 text.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// What a node calls itself must not steer the terminal.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

void append_table(std::string& out, const std::vector<NodeStatus>& nodes) {
  std::vector<Row> rows = {{"ID", "NAME", "ZONE", "STATE", "USED", "CAPACITY", "SHARDS",
                            "HEARTBEAT", "READ P50", "READ P95"}};
  for (const auto& node : nodes) rows.push_back(row_of(node));
  for (auto& row : rows)
    for (auto& cell : row) cell = printable(std::move(cell));
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  constexpr std::size_t kFirstNumber = 4;  // names to the left, numbers to the right
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width(row[i]), ' ');
      const bool number = i == 0 || i >= kFirstNumber;
      out += number ? padding + row[i] : row[i] + padding;
      out += i + 1 < row.size() ? "  " : "\n";
    }
  }
}

std::string_view colour_of(Verdict verdict) {
  if (verdict == Verdict::kHealthy) return "\x1b[1;32m";
  return verdict == Verdict::kDegraded ? "\x1b[1;33m" : "\x1b[1;31m";
}

}  // namespace

Exit exit_of(Verdict verdict) {
  if (verdict == Verdict::kHealthy) return kExitOk;
  return verdict == Verdict::kDegraded ? kExitDegraded : kExitAtRisk;
}

std::string report(const GridStatus& status, bool colours) {
  std::string out(verdict_name(status.verdict));
  if (colours) out = fmt::format("{}{}\x1b[0m", colour_of(status.verdict), out);
  if (!status.reasons.empty())
    out += printable(fmt::format(": {}", fmt::join(status.reasons, "; ")));
  out += "\n\n";
  if (status.nodes.empty())
    out += "No node has joined yet.\n";
  else
    append_table(out, status.nodes);
  out += "\n";
  out += status.nodes_may_fail == 0 ? "No more node"
                                    : counted(static_cast<std::uint64_t>(status.nodes_may_fail),
                                              "more node", "more nodes");
  out += " may fail without loss of data.\n";
  const auto& capacity = status.capacity;
  out += fmt::format("Capacity: {} raw, {} of objects at {}; {} stored, {} still fit.\n",
                     bytes(capacity.raw_bytes), bytes(capacity.usable_bytes),
                     status.profile.to_string(), bytes(capacity.stored_bytes),
                     bytes(capacity.available_bytes));
  out += fmt::format("Repair: {} for repair, {} to be freed.\n",
                     counted(status.totals.repairs, "extent waits", "extents wait"),
                     counted(status.totals.dead_extents, "dead extent waits", "dead extents wait"));
  return out;
}

}  // namespace hydra::ctl
