#include "gateway/admin/scrub_routes.h"

#include "base/encoding.h"

namespace hydra::admin {

namespace {

Json time_json(std::int64_t wall_ms) {
  return wall_ms == 0 ? Json() : Json(format_iso8601(wall_ms));
}

Json pass_json(std::int64_t started_ms, std::int64_t finished_ms,
               const catalog::WalkCounts& counts) {
  if (started_ms == 0) return Json();
  return {{"started", time_json(started_ms)}, {"finished", time_json(finished_ms)},
          {"shards", counts.shards},          {"bytes", counts.bytes},
          {"broken", counts.broken},          {"unreachable", counts.unreachable}};
}

Json write_scrub(const heal::ScrubStatus& status) {
  const catalog::WalkRow& row = status.row;
  return {{"working", status.working},
          {"progress", status.progress},
          {"bytes_per_second", status.bytes_per_second},
          {"ends", time_json(status.expected_end_ms.value_or(0))},
          {"next", time_json(status.next_start_ms.value_or(0))},
          {"now", pass_json(row.started_ms, 0, row.counts)},
          {"last", pass_json(row.last_started_ms, row.last_finished_ms, row.last_counts)}};
}

Task<Result<Json>> show(heal::Scrub& scrub) { co_return write_scrub(scrub.status()); }

Task<Result<Json>> start(heal::Scrub& scrub) {
  scrub.start_now();
  co_return write_scrub(scrub.status());
}

}  // namespace

void add_scrub_routes(Routes& routes, heal::Scrub& scrub) {
  routes.add("GET", "/v1/scrub", [&scrub](const Call&) { return show(scrub); });
  routes.add("POST", "/v1/scrub/start", [&scrub](const Call&) { return start(scrub); });
}

}  // namespace hydra::admin
