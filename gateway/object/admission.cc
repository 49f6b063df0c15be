#include "gateway/object/admission.h"

#include "base/log.h"

namespace hydra::object {

Task<Result<NewToken>> Admission::make_token() {
  NewToken made;
  loop_.random(made.token.bytes);
  catalog::ClaimRow claim;
  claim.id = agent::claim_id(made.token);
  claim.hash = agent::claim_hash(made.token);
  claim.created_ms = loop_.wall_ms();
  claim.expires_ms = made.expires_ms = claim.created_ms + kTokenLifeMs;
  HYDRA_CO_CHECK_OK(co_await catalog_.put_claim(loop_, claim));
  co_return made;
}

std::optional<Sha256> Admission::find(const agent::ClaimId& id) const {
  const auto claim = catalog_.claim(id);
  if (!claim) {
    log::error("a claim token cannot be looked up: {}", claim.error().to_string());
    return std::nullopt;
  }
  return *claim ? std::optional((*claim)->hash) : std::nullopt;
}

Task<Result<agent::Joined>> Admission::join(agent::Join join) {
  agent::Joined joined;
  HYDRA_CO_TRY(joined.node, co_await membership_.claim(agent::claim_id(join.token),
                                                       agent::claim_hash(join.token), join.node));
  joined.cluster = catalog_.cluster();
  joined.secret = agent::node_secret(secret_, join.node.identity);
  joined.gateways = gateways_;
  co_return joined;
}

}  // namespace hydra::object
