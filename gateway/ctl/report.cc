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

std::string verdict_line(const GridStatus& status, bool colours) {
  std::string line =
      coloured(admin::verdict_name(status.verdict), colour_of(status.verdict), colours);
  if (!status.reasons.empty())
    line += printable(fmt::format(": {}", fmt::join(status.reasons, "; ")));
  return line;
}

std::string report(const GridStatus& status, bool colours) {
  std::string out = verdict_line(status, colours) + "\n\n";
  out += status.nodes.empty() ? "No node has joined yet.\n" : table_of(status.nodes);
  out += "\n";
  out += status.nodes_may_fail == 0 ? "No more node"
                                    : counted(static_cast<std::uint64_t>(status.nodes_may_fail),
                                              "more node", "more nodes");
  out += " may fail without loss of data.\n";
  const auto& capacity = status.capacity;
  out += fmt::format("Capacity: {} raw, {} of objects at {}; {} stored, {} still fit.\n",
                     bytes_text(capacity.raw_bytes), bytes_text(capacity.usable_bytes),
                     status.profile.to_string(), bytes_text(capacity.stored_bytes),
                     bytes_text(capacity.available_bytes));
  out += fmt::format("Repair: {} for repair, {} to be freed.\n",
                     counted(status.totals.repairs, "extent waits", "extents wait"),
                     counted(status.totals.dead_extents, "dead extent waits", "dead extents wait"));
  return out;
}

}  // namespace hydra::ctl
