// The Net of a PistacheLoop: non-blocking TCP and unix sockets on the loop's own epoll.
#pragma once

#include <memory>

#include "base/runtime/io.h"
#include "base/runtime/pistache/unique_fd.h"

namespace hydra::runtime {

class PistacheLoop;

std::unique_ptr<Net> make_net(PistacheLoop& loop);

// Options every connected socket gets: no Nagle on TCP, large buffers on unix sockets (whose
// default of about 200 KiB would cut every block in pieces).
void tune_socket(int fd, bool is_unix);

}  // namespace hydra::runtime
