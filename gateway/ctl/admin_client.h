// One GET over a gateway's admin socket, blocking: hydractl has nothing else to do meanwhile.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hydra::ctl {

struct Answer {
  int status = 0;
  std::string body;
};

// `socket` is the path of a unix socket, also written unix:/path. kUnavailable: nobody listens
// there. kTimeout: it does not answer within some seconds. kCorrupt: what answers is no gateway.
Result<Answer> get(std::string_view socket, std::string_view target);

// A whole HTTP/1.1 response with a Content-Length, after which the connection was closed. kCorrupt.
Result<Answer> parse_answer(std::string_view response);

}  // namespace hydra::ctl
