// hydractl: asks a running gateway for the state of its grid, and changes it, over the gateway's
// admin socket.
#include "gateway/ctl/commands.h"

int main(int argc, char** argv) {
  hydra::ctl::Commands commands;
  hydra::ctl::add_node_commands(commands);
  hydra::ctl::add_status_command(commands);
  hydra::ctl::add_health_command(commands);
  hydra::ctl::add_key_commands(commands);
  hydra::ctl::add_layout_commands(commands);
  hydra::ctl::add_heal_commands(commands);
  hydra::ctl::add_object_commands(commands);
  hydra::ctl::add_scrub_commands(commands);
  return commands.run(argc, argv);
}
