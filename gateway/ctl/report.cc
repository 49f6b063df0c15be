#include "gateway/ctl/report.h"

#include <fmt/format.h>

#include "gateway/ctl/text.h"

namespace hydra::ctl {

namespace {

using admin::GridStatus;
using admin::NodeStatus;
using admin::Verdict;

std::string state(const NodeStatus& node) {
  std::string text(node.word());
  if (!node.seen) text += ", not seen";
  if (node.draining) text += ", draining";
  return text;
}

std::vector<std::string> row_of(const NodeStatus& node) {
  std::vector<std::string> row = {std::to_string(node.id), node.name, node.zone, state(node)};
  if (!node.seen) {
    row.insert(row.end(), {"-", bytes_text(node.capacity_bytes), "-", "-", "-", "-"});
    return row;
  }
  row.insert(row.end(), {bytes_text(node.load.used_bytes), bytes_text(node.capacity_bytes),
                         std::to_string(node.load.shards), duration_text(node.heartbeat_age_ms),
                         latency_text(node.latency_p50_us), latency_text(node.latency_p95_us)});
  return row;
}

std::string table_of(const std::vector<NodeStatus>& nodes) {
  Table table({">ID", "NAME", "ZONE", "STATE", ">USED", ">CAPACITY", ">SHARDS", ">HEARTBEAT",
               ">READ P50", ">READ P95"});
  for (const auto& node : nodes) table.add(row_of(node));
  return table.to_string();
}

Colour colour_of(Verdict verdict) {
  if (verdict == Verdict::kHealthy) return Colour::kGreen;
  return verdict == Verdict::kDegraded ? Colour::kYellow : Colour::kRed;
}

}  // namespace

std::string may_fail_text(int nodes) {
  return (nodes <= 0 ? "No more node"
                     : counted(static_cast<std::uint64_t>(nodes), "more node", "more nodes")) +
         " may fail without loss of data.";
}

std::string verdict_line(const GridStatus& status, bool colours) {
  std::string line =
      coloured(admin::verdict_name(status.verdict), colour_of(status.verdict), colours);
  if (!status.reasons.empty())
    line += printable(fmt::format(": {}", fmt::join(status.reasons, "; ")));
  return line;
}

std::string report(const GridStatus& status, std::string_view repair, bool colours) {
  std::string out = verdict_line(status, colours) + "\n\n";
  out += status.nodes.empty() ? "No node has joined yet.\n" : table_of(status.nodes);
  out += "\n";
  out += may_fail_text(status.nodes_may_fail) + "\n";
  const auto& capacity = status.capacity;
  out += fmt::format("Capacity: {} raw, {} of objects at {}; {} stored, {} still fit.\n",
                     bytes_text(capacity.raw_bytes), bytes_text(capacity.usable_bytes),
                     status.profile.to_string(), bytes_text(capacity.stored_bytes),
                     bytes_text(capacity.available_bytes));
  return out + fmt::format("Repair: {}\n", repair);
}

}  // namespace hydra::ctl
