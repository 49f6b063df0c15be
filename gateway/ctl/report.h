// What hydractl says of a grid's status, and how it ends. Pure.
#pragma once

#include <string>

#include "gateway/admin/status.h"

namespace hydra::ctl {

// The exit codes of hydractl.
enum Exit : int {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitUnreachable = 3,  // no gateway answers at the socket
  kExitDegraded = 4,
  kExitAtRisk = 5,  // or unavailable
};

Exit exit_of(admin::Verdict verdict);

// The verdict, the nodes in a table, what may fail, capacity and repairs; a line each, no longer
// than the names of the nodes make them. `colours`: for a terminal.
std::string report(const admin::GridStatus& status, bool colours);

}  // namespace hydra::ctl
