// Sealer: encrypts the journal's records and roots for the agents, and opens them again
// (invariant 6). One object belongs to one thread at a time.
//
// AES-256-GCM with the header as associated data. The key is not the key ring's journal key itself
// but one for each stretch of 2^20 sequences, derived from it, so no key seals enough records for
// its nonces to come near each other.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/crypto.h"
#include "base/result.h"
#include "gateway/journal/journal_format.h"

namespace hydra::journal {

// What the key ring hands in: for each key-encryption key, the journal's key that follows from it.
struct Keys {
  using Key = std::array<std::byte, kAesKeyBytes>;
  std::uint32_t newest = 0;
  std::map<std::uint32_t, Key> keys;

  Keys() = default;
  Keys(const Keys&) = default;
  Keys& operator=(const Keys&) = default;
  ~Keys() {
    for (auto& [id, key] : keys) secure_clear(key);
  }
};

struct Opened {
  Header header;
  std::string plain;
};

class Sealer {
 public:
  explicit Sealer(Keys keys) : keys_(std::move(keys)) {}

  // Header, ciphertext, tag. Fills in the header's key and length; its nonce must never have been
  // used before.
  std::string seal(Header header, ByteView plain);
  // kCorrupt when the bytes are damaged or were sealed by somebody else; kNotFound when the key
  // file lacks the key.
  Result<Opened> open(ByteView sealed);

 private:
  Result<Aead*> cipher(std::uint32_t kek_id, std::uint64_t sequence);

  Keys keys_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Aead> ciphers_;  // by key and stretch
};

// Nonces that differ under one key: a random beginning for each process, then a counter. A stretch
// ends long before the counter begins anew.
class NonceSource {
 public:
  explicit NonceSource(std::array<std::byte, 8> start) : start_(start) {}
  Nonce next();

 private:
  std::array<std::byte, 8> start_;
  std::uint32_t count_ = 0;
};

}  // namespace hydra::journal
