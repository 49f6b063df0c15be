#include "gateway/ctl/heal_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "gateway/ctl/reading.h"
#include "gateway/ctl/report.h"
#include "gateway/ctl/text.h"

namespace hydra::ctl {

namespace {

using Json = nlohmann::ordered_json;

std::uint64_t number(const Json& from, const char* name) {
  return from.at(name).get<std::uint64_t>();
}

// ", at 12.0 MiB/s, 3 min left (until 2026-01-01T12:03:00.000Z)"
std::string progress(const Json& heal) {
  const std::uint64_t rate = number(heal, "rate_bytes_per_second");
  if (rate == 0) return "";
  std::string text = fmt::format(", at {}/s", bytes_text(rate));
  const Json& left = heal.at("seconds_left");
  if (left.is_null()) return text + ", until an unknown time";
  return text + fmt::format(", {} left (until {})", duration_text(left.get<std::int64_t>() * 1000),
                            heal.at("ends").get<std::string>());
}

std::string waiting(const Json& queue) {
  const std::uint64_t repairs = number(queue, "repairs"), moves = number(queue, "moves");
  std::string text = counted(repairs, "extent waits", "extents wait") + " for repair";
  if (repairs > 0) text += fmt::format(" ({})", bytes_text(number(queue, "repair_bytes")));
  if (moves > 0)
    text += fmt::format(", {} to be moved or rewritten ({})", moves,
                        bytes_text(number(queue, "move_bytes")));
  return text;
}

std::string below_text(const Json& census) {
  if (census.is_null()) return "The extents have not been walked over yet.\n";
  if (census.at("below").empty())
    return fmt::format("All {} were whole at {}.\n",
                       counted(number(census, "extents"), "extent", "extents"),
                       census.at("ended").get<std::string>());
  Table table({">MAY STILL LOSE", ">EXTENTS", ">BYTES"});
  for (const Json& row : census.at("below")) {
    const int spare = row.at("spare").get<int>();
    table.add({spare < 0 ? "unreadable" : std::to_string(spare),
               std::to_string(number(row, "extents")), bytes_text(number(row, "bytes"))});
  }
  std::string text =
      fmt::format("Below their profile at {}, by the shards that they may still lose:\n{}",
                  census.at("ended").get<std::string>(), table.to_string());
  if (const auto count = number(census, "waiting_extents"); count > 0)
    text += fmt::format("{} for nodes that may come back.\n",
                        counted(count, "of them waits", "of them wait"));
  return text;
}

}  // namespace

Result<std::string> heal_progress(const Json& heal) {
  if (heal.is_null()) return std::string();
  return reading([&] { return progress(heal); });
}

Result<std::string> heal_line(const Json& heal) {
  if (heal.is_null()) return std::string("the healer does not answer.");
  return reading([&] { return waiting(heal.at("queue")) + progress(heal) + "."; });
}

Result<std::string> heal_report(const Json& heal, const admin::GridStatus& status, bool colours) {
  return reading([&] {
    const Json& queue = heal.at("queue");
    std::string out = verdict_line(status, colours) + "\n\n";
    out += waiting(queue) + progress(heal) + ".\n";
    out += may_fail_text(status.nodes_may_fail) + "\n";
    out += below_text(heal.at("census"));
    if (const auto blocked = number(heal, "blocked"); blocked > 0)
      out +=
          fmt::format("{} be helped now: {}\n", counted(blocked, "extent cannot", "extents cannot"),
                      printable(heal.at("blocked_why").get<std::string>()));
    out += fmt::format("Since its start this gateway healed {} ({}); it may move {}/s now.\n",
                       counted(number(heal, "healed_extents"), "extent", "extents"),
                       bytes_text(number(heal, "healed_bytes")),
                       bytes_text(number(heal, "pace_bytes_per_second")));
    out += fmt::format("To be freed after grace: {}, {}.\n",
                       counted(number(queue, "dead_extents"), "dead extent", "dead extents"),
                       counted(number(queue, "strays"), "shard left behind", "shards left behind"));
    out += fmt::format("Waiting for compaction: {} in {}, and {} to be trimmed.\n",
                       bytes_text(number(queue, "half_dead_bytes")),
                       counted(number(queue, "half_dead_extents"), "extent", "extents"),
                       counted(number(queue, "trims"), "body", "bodies"));
    if (!heal.at("active").get<bool>()) {
      const auto holder = heal.at("lease_holder").get<std::string>();
      out += holder.empty() ? "No healer runs.\n"
                            : "The healer runs elsewhere: " + printable(holder) + ".\n";
    }
    return out;
  });
}

}  // namespace hydra::ctl
