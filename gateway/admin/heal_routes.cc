#include "gateway/admin/heal_routes.h"

#include "gateway/admin/heal_json.h"

namespace hydra::admin {

namespace {

Task<Result<Json>> show_heal(heal::Healer& healer, const Call& call) {
  HYDRA_CO_TRY(const auto status, healer.status());
  co_return write_heal(status, call.loop.wall_ms());
}

Task<Result<Json>> rebalance(heal::Healer& healer, const Call& call) {
  bool reprofile = false;
  if (const auto found = call.body.find("reprofile"); found != call.body.end()) {
    if (!found->is_boolean()) co_return fail(Code::kInvalidArgument, "reprofile is true or false");
    reprofile = found->get<bool>();
  }
  healer.rebalance();
  if (reprofile) healer.reprofile();
  co_return co_await show_heal(healer, call);
}

Task<Result<Json>> survey(heal::Healer& healer, const Call& call) {
  healer.survey_now();
  co_return co_await show_heal(healer, call);
}

}  // namespace

void add_heal_routes(Routes& routes, heal::Healer& healer) {
  routes.add("GET", "/v1/heal", [&healer](const Call& call) { return show_heal(healer, call); });
  routes.add("POST", "/v1/heal/survey",
             [&healer](const Call& call) { return survey(healer, call); });
  routes.add("POST", "/v1/rebalance",
             [&healer](const Call& call) { return rebalance(healer, call); });
}

}  // namespace hydra::admin
