// The cryptographic primitives we use, over OpenSSL 3 (its headers are included only in crypto.cc
// and tls.cc). Stateless functions and small owning contexts; a context belongs to one thread at a
// time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace hydra {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(ByteView data);
Sha256 hmac_sha256(ByteView key, ByteView data);
// Compares in time that depends on the lengths only.
bool equal_constant_time(ByteView a, ByteView b);

// A streaming hash. MD5 and SHA-1 are here because S3 names them, not for security.
enum class Hash { kMd5, kSha1, kSha256 };
class HashContext {
 public:
  explicit HashContext(Hash hash);
  ~HashContext();
  void update(ByteView data);
  std::string finish();  // raw bytes; call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

constexpr std::size_t kAesKeyBytes = 32;
constexpr std::size_t kGcmNonceBytes = 12;
constexpr std::size_t kGcmTagBytes = 16;

// AES-256-GCM (NIST SP 800-38D) under one key. The key schedule is set up once; seal and open may
// be called many times, each with its own nonce. A nonce must never repeat under a key.
class Aead {
 public:
  explicit Aead(ByteView key);  // 32 bytes
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  // Writes plain.size() + 16 bytes to `out`: ciphertext, then tag. In place (out.data() ==
  // plain.data()) is fine.
  void seal(ByteView nonce, ByteView aad, ByteView plain, MutableBytes out);
  // `sealed` = ciphertext and tag; writes sealed.size() - 16 bytes. kCorrupt when the tag does not
  // fit; `out` is then undefined and must not be used. In place is fine.
  Status open(ByteView nonce, ByteView aad, ByteView sealed, MutableBytes out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hydra
