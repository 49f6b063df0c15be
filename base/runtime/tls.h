// TLS 1.2 and 1.3 over any Stream, by OpenSSL (whose headers are included in tls.cc only). The
// handshake happens within the first read or write, non-blocking, on the stream's own loop, and
// must end within kHandshakePatience.
//
// A TlsContext is immutable and may be shared by all threads; a stream made from it belongs to its
// loop.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

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

// A key that both sides know already, and the name by which the client says which one it means. The
// name goes over the wire as it is.
using TlsKey = std::array<std::byte, 32>;
struct TlsPsk {
  std::string identity;  // 1 to 128 bytes
  TlsKey key{};
};

class TlsContext : public std::enable_shared_from_this<TlsContext> {
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
  // Both sides prove that they know the key of an external PSK (RFC 8446, 2.2 and 4.2.11), or the
  // handshake fails. TLS 1.3 alone, without certificates and tickets, always with ephemeral keys
  // (psk_dhe_ke), so that a key that leaks later opens nothing that was recorded. An end of the
  // stream that the peer did not announce is an error (kClosed).
  static std::shared_ptr<const TlsContext> psk_client(const TlsPsk& psk);
  // `find` gives the key of a name, or nothing; called on the stream's loop while it shakes hands.
  using FindPsk =
      std::function<std::optional<TlsKey>(std::string_view identity, const std::string& peer)>;
  static std::shared_ptr<const TlsContext> psk_server(FindPsk find);
  virtual ~TlsContext() = default;

  // Errors of the stream beside those of `inner`: kUnauthenticated (the handshake failed), kCorrupt
  // (a record that fails its check). close() says goodbye (close_notify) unless a read or write is
  // pending.
  virtual std::unique_ptr<Stream> wrap(Loop& loop, std::unique_ptr<Stream> inner) const = 0;
};

}  // namespace hydra
