// What hydractl says of a grid's status. Pure.
#pragma once

#include <string>
#include <string_view>

#include "gateway/admin/status.h"
#include "gateway/ctl/exit.h"

namespace hydra::ctl {

// The verdict, the nodes and cache nodes in tables, what may fail, capacity, cache, journal and
// repairs; a line each, no longer than the names of the nodes make them. `repair` is heal_line().
// `colours`: for a terminal.
std::string report(const admin::GridStatus& status, std::string_view repair, bool colours);

// "2 more nodes may fail without loss of data."
std::string may_fail_text(int nodes);

// The verdict in its colour, and the reasons: one line, without its end.
std::string verdict_line(const admin::GridStatus& status, bool colours);

}  // namespace hydra::ctl
