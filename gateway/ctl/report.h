// What hydractl says of a grid's status. Pure.
#pragma once

#include <string>

#include "gateway/admin/status.h"
#include "gateway/ctl/exit.h"

namespace hydra::ctl {

// The verdict, the nodes in a table, what may fail, capacity and repairs; a line each, no longer
// than the names of the nodes make them. `colours`: for a terminal.
std::string report(const admin::GridStatus& status, bool colours);

// The verdict in its colour, and the reasons: one line, without its end.
std::string verdict_line(const admin::GridStatus& status, bool colours);

}  // namespace hydra::ctl
