// All commands of hydractl, by their files.
#pragma once

#include "gateway/ctl/command.h"

namespace hydra::ctl {

void add_status_command(Commands& commands);   // status
void add_health_command(Commands& commands);   // health
void add_key_commands(Commands& commands);     // key export, join
void add_layout_commands(Commands& commands);  // layout show, plan, apply
void add_heal_commands(Commands& commands);    // heal status, rebalance
void add_node_commands(Commands& commands);    // node list, token, drain, undrain, remove, set
void add_object_commands(Commands& commands);  // object stat
void add_scrub_commands(Commands& commands);   // scrub status, start

}  // namespace hydra::ctl
