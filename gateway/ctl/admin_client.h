// One request over a gateway's admin socket, blocking: hydractl has nothing else to do meanwhile.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hydra::ctl {

struct Answer {
  int status = 0;
  std::string body;
};

struct AdminRequest {
  std::string_view method = "GET";
  std::string_view target;
  std::string_view body = {};
  std::chrono::seconds patience{5};  // for each step: connecting, sending, each piece of the answer
};

// `socket` is the path of a unix socket, also written unix:/path. kUnavailable: nobody listens
// there. kTimeout: it does not answer. kCorrupt: what answers is no gateway.
Result<Answer> ask(std::string_view socket, const AdminRequest& request);

// A whole HTTP/1.1 response with a Content-Length, after which the connection was closed. kCorrupt.
Result<Answer> parse_answer(std::string_view response);

}  // namespace hydra::ctl
