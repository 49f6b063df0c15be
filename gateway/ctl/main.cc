// hydractl: asks a running gateway for the state of its grid, and changes it, over the gateway's
// admin socket.
#include "gateway/ctl/commands.h"

int main(int argc, char** argv) {
  hydra::ctl::Commands commands;
  hydra::ctl::add_status_command(commands);
  return commands.run(argc, argv);
}
