// TLS 1.2 and 1.3 over any Stream, by OpenSSL (whose headers are included in tls.cc only). The
// handshake happens within the first read or write, non-blocking, on the stream's own loop, and
// must end within kHandshakePatience.
//
// A TlsContext is immutable and may be shared by all threads; a stream made from it belongs to its
// loop.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/runtime/io.h"
#include "base/runtime/loop.h"

namespace hydra {

constexpr Nanos kHandshakePatience = 10 * kSecond;

// Paths of PEM files: a certificate with its chain, and its private key.
struct TlsConfig {
  std::string certificate_path;
  std::string key_path;
};

class TlsContext {
 public:
  enum class Role { kServer, kClient };
  struct Options {
    Role role = Role::kServer;
    std::optional<TlsConfig> identity;  // a server must have one
    std::optional<std::string>
        trust_path;  // PEM: the peer must show a certificate signed by one of these
  };

  // kInvalidArgument, naming the file, when a file is unreadable or the key is not the
  // certificate's. A client that trusts nobody in particular accepts any certificate.
  static Result<std::shared_ptr<const TlsContext>> create(const Options& options);
  virtual ~TlsContext() = default;

  // Errors of the stream beside those of `inner`: kUnauthenticated (the handshake failed), kCorrupt
  // (a record that fails its check). close() says goodbye (close_notify) unless a read or write is
  // pending.
  virtual std::unique_ptr<Stream> wrap(Loop& loop, std::unique_ptr<Stream> inner) const = 0;
};

}  // namespace hydra
