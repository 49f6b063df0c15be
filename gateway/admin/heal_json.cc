#include "gateway/admin/heal_json.h"

#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace hydra::admin {

namespace {

using Json = nlohmann::ordered_json;

Json write_census(const heal::Census& census) {
  Json below = Json::array();
  for (const auto& [spare, count] : census.lossy)
    below.push_back({{"spare", spare}, {"extents", count.extents}, {"bytes", count.bytes}});
  return {{"ended", format_iso8601(census.ended_ms)},
          {"extents", census.all.extents},
          {"bytes", census.all.bytes},
          {"smallest_spare", census.smallest_spare ? Json(*census.smallest_spare) : Json()},
          {"waiting_extents", census.waiting.extents},
          {"below", std::move(below)}};
}

}  // namespace

Json write_heal(const heal::HealStatus& status, std::int64_t now_ms) {
  const auto& totals = status.totals;
  const auto& left = status.seconds_left;
  return {{"active", status.active},
          {"lease_holder", status.lease_holder},
          {"surveying", status.surveying},
          {"surveyed", status.surveyed},
          {"queue",
           {{"repairs", totals.repairs},
            {"repair_bytes", totals.repair_bytes},
            {"moves", totals.moves},
            {"move_bytes", totals.move_bytes},
            {"strays", totals.strays},
            {"dead_extents", totals.dead_extents},
            {"trims", totals.trims},
            {"half_dead_extents", totals.half_dead},
            {"half_dead_bytes", totals.half_dead_bytes}}},
          {"rate_bytes_per_second", static_cast<std::uint64_t>(status.bytes_per_second)},
          {"pace_bytes_per_second", status.pace},
          {"seconds_left", left ? Json(*left) : Json()},
          {"ends", left ? Json(format_iso8601(now_ms + *left * 1000)) : Json()},
          {"healed_extents", status.healed_extents},
          {"healed_bytes", status.healed_bytes},
          {"written_bytes", status.written_bytes},
          {"running", status.running.size()},
          {"blocked", status.blocked},
          {"blocked_why", status.blocked_why},
          {"census", status.census ? write_census(*status.census) : Json()}};
}

}  // namespace hydra::admin
