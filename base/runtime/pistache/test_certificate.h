// A self-signed certificate for localhost and its key, made anew for a test.
#pragma once

#include <string>

#include "base/runtime/tls.h"

namespace hydra {

// Writes NAME.crt and NAME.key into the directory.
TlsConfig make_test_certificate(const std::string& directory, const std::string& name = "server");

}  // namespace hydra
