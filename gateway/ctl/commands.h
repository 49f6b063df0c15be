// All commands of hydractl, by their files.
#pragma once

#include "gateway/ctl/command.h"

namespace hydra::ctl {

void add_status_command(Commands& commands);  // status

}  // namespace hydra::ctl
