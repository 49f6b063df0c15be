// HYDRA_ASSERT stops the process on a programmer's error, in every build. Input and I/O never reach
// it.
#pragma once

namespace hydra {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define HYDRA_ASSERT(expression) \
  ((expression) ? void(0) : ::hydra::assertion_failed(#expression, __FILE__, __LINE__))
