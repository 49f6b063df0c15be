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

std::string cache_table_of(const std::vector<NodeStatus>& nodes) {
  Table table({">ID", "CACHE NODE", "ZONE", "STATE", ">HELD", ">CAPACITY", ">ENTRIES", ">HEARTBEAT",
               ">READS", ">HITS"});
  for (const auto& node : nodes) {
    const auto known = [&](std::string text) { return node.seen ? std::move(text) : "-"; };
    table.add({std::to_string(node.id), node.name, node.zone, state(node),
               known(bytes_text(node.load.used_bytes)), bytes_text(node.capacity_bytes),
               known(std::to_string(node.load.shards)), known(duration_text(node.heartbeat_age_ms)),
               std::to_string(node.cache.hits + node.cache.misses),
               share_text(node.cache.hit_rate())});
  }
  return table.to_string();
}

std::string cache_line(const GridStatus& status) {
  const object::CacheUse use = admin::cache_use(status);
  const auto rate = use.hit_rate();
  if (!rate) return "Cache: not asked since this gateway started.\n";
  return fmt::format("Cache: gave {} of {} since this gateway started, {} in all.\n",
                     share_text(rate), counted(use.hits + use.misses, "read", "reads"),
                     bytes_text(use.hit_bytes));
}

std::string journal_line(const admin::JournalStatus& journal) {
  if (!journal.begun)
    return fmt::format("Journal: begins when {} nodes have joined.\n", journal.copies);
  std::string line =
      fmt::format("Journal: {} it, {} are needed; {}; ",
                  counted(journal.takers, "node takes", "nodes take"), journal.copies,
                  journal.waiting_records == 0
                      ? "nothing waits"
                      : counted(journal.waiting_records, "change waits", "changes wait"));
  if (!journal.snapshot_age_ms) return line + "no snapshot yet.\n";
  return line + fmt::format("last snapshot {} ago, {} of changes since.\n",
                            duration_text(*journal.snapshot_age_ms),
                            bytes_text(journal.bytes_since_snapshot));
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
  if (!status.caches.empty()) out += "\n" + cache_table_of(status.caches);
  out += "\n";
  out += may_fail_text(status.nodes_may_fail) + "\n";
  const auto& capacity = status.capacity;
  out += fmt::format("Capacity: {} raw, {} of objects at {}; {} stored, {} still fit.\n",
                     bytes_text(capacity.raw_bytes), bytes_text(capacity.usable_bytes),
                     status.profile.to_string(), bytes_text(capacity.stored_bytes),
                     bytes_text(capacity.available_bytes));
  if (!status.caches.empty()) out += cache_line(status);
  if (status.journal) out += journal_line(*status.journal);
  return out + fmt::format("Repair: {}\n", repair);
}

}  // namespace hydra::ctl
