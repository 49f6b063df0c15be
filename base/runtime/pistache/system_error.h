// How errno becomes an Error. Plain functions; any thread.
#pragma once

#include <string_view>

#include "base/result.h"

namespace hydra::runtime {

Code code_of_errno(int error);
// "what: text of errno", with the code that errno maps to.
tl::unexpected<Error> fail_errno(int error, std::string_view what);
// The same with a code of the caller's choice.
tl::unexpected<Error> fail_errno(Code code, int error, std::string_view what);
std::string errno_text(int error);

}  // namespace hydra::runtime
