#include "gateway/admin/status_routes.h"

#include "gateway/admin/status_json.h"

namespace hydra::admin {

namespace {

constexpr Nanos kPatience = kSecond;  // with each worker
constexpr std::size_t kExaminedRepairs = 1000;

Task<Result<Json>> show_status(const Sources& sources, const Call& call) {
  HYDRA_CO_TRY(const GridStatus status, co_await take_status(sources, call.loop));
  co_return write_status(status);
}

}  // namespace

Task<Result<GridStatus>> take_status(const Sources& sources, Loop& home) {
  const auto samples = co_await sample_workers(sources, home, home.after(kPatience));
  if (!samples.front().taken) co_return fail(Code::kTimeout, "the first worker does not answer");
  co_return status_of(sources, samples, kExaminedRepairs);
}

void add_status_routes(Routes& routes, const Sources& sources) {
  routes.add("GET", "/v1/status",
             [&sources](const Call& call) { return show_status(sources, call); });
}

}  // namespace hydra::admin
