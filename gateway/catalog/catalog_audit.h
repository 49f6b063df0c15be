// Recounts a whole catalog from its rows and compares that with everything it keeps counted:
// references, live bytes, queues, totals. For tests, and for
// a catalog that was recovered.
#pragma once

#include <string>
#include <vector>

#include "base/kv/kv.h"

namespace hydra::catalog {

// What is wrong, one line each; empty when all is well.
std::vector<std::string> audit(kv::Reader& reader);

}  // namespace hydra::catalog
