#include "base/runtime/pistache/system_error.h"

#include <cerrno>
#include <system_error>

namespace hydra::runtime {

Code code_of_errno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Code::kNoSpace;
    case ENOENT:
      return Code::kNotFound;
    case EEXIST:
    case EADDRINUSE:
      return Code::kAlreadyExists;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
      return Code::kClosed;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
      return Code::kUnavailable;
    case ETIMEDOUT:
      return Code::kTimeout;
    case EOPNOTSUPP:
      return Code::kUnsupported;
    default:
      return Code::kIo;
  }
}

std::string errno_text(int error) { return std::generic_category().message(error); }

tl::unexpected<Error> fail_errno(Code code, int error, std::string_view what) {
  return fail(code, std::string(what) + ": " + errno_text(error));
}

tl::unexpected<Error> fail_errno(int error, std::string_view what) {
  return fail_errno(code_of_errno(error), error, what);
}

}  // namespace hydra::runtime
