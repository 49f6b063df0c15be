// How hydractl ends.
#pragma once

#include "gateway/admin/status.h"

namespace hydra::ctl {

enum Exit : int {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitUnreachable = 3,  // no gateway answers at the socket
  kExitDegraded = 4,
  kExitAtRisk = 5,  // or unavailable
};

Exit exit_of(admin::Verdict verdict);

}  // namespace hydra::ctl
