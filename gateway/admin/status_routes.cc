#include "gateway/admin/status_routes.h"

#include "gateway/admin/durability_json.h"
#include "gateway/admin/heal_json.h"
#include "gateway/admin/status_json.h"

namespace hydra::admin {

namespace {

constexpr Nanos kPatience = kSecond;  // with each worker
constexpr std::size_t kExaminedRepairs = 1000;

Result<GridStatus> status_from(const Sources& sources, const std::vector<WorkerSample>& samples) {
  if (!samples.front().taken) return fail(Code::kTimeout, "the first worker does not answer");
  return status_of(sources, samples, kExaminedRepairs);
}

Task<Result<Json>> show_status(const Sources& sources, const Call& call) {
  const auto samples = co_await sample_workers(sources, call.loop, call.loop.after(kPatience));
  HYDRA_CO_TRY(const GridStatus status, status_from(sources, samples));
  const heal::HealStatus* const heal = heal_of(samples);
  Json json = write_status(status);
  json["heal"] = heal == nullptr ? Json() : write_heal(*heal, call.loop.wall_ms());
  json["durability"] = write_durability(durability_of(sources, status, heal));
  co_return json;
}

}  // namespace

Task<Result<GridStatus>> take_status(const Sources& sources, Loop& home) {
  const auto samples = co_await sample_workers(sources, home, home.after(kPatience));
  co_return status_from(sources, samples);
}

void add_status_routes(Routes& routes, const Sources& sources) {
  routes.add("GET", "/v1/status",
             [&sources](const Call& call) { return show_status(sources, call); });
}

}  // namespace hydra::admin
