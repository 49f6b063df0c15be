// KeyRing: the key-encryption keys. The one place where keys live; they never leave the gateway's
// side.
//
// A KEK wraps the data keys of bodies (AES-256-GCM with a random nonce, the body's id as associated
// data). The newest KEK wraps, all of them unwrap, so rotation adds a key and rewrites rows at
// leisure. Immutable after parsing; one Wrapper a worker holds the cipher contexts.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/runtime/loop.h"
#include "gateway/catalog/rows.h"

namespace hydra::object {

using DataKey = std::array<std::byte, kAesKeyBytes>;

class KeyRing {
 public:
  // The key file: a line "hydragrid-keys 1", then a line "ID HEX" for each KEK (ID a decimal number
  // above 0, HEX 64 digits); '#' begins a comment. kInvalidArgument names the line. No key is ever
  // part of a message.
  static Result<KeyRing> parse(std::string_view text);
  // A new key file that holds `key`, which must be random, as its first KEK.
  static std::string generate(const DataKey& key);
  // Its lines of a key file, without comments.
  std::string to_text() const;

  KeyRing(KeyRing&&) = default;
  KeyRing& operator=(KeyRing&&) = default;
  ~KeyRing();

  // A key for another use that is named by `info`: HKDF-SHA256 (RFC 5869, no salt) of the first
  // KEK, the one with the lowest number. So that key must stay in the file for good.
  DataKey derive(std::string_view info) const;
  // For each KEK a key for another use that is named by `info`: HKDF-SHA256 (RFC 5869, no salt).
  std::map<std::uint32_t, DataKey> derive_each(std::string_view info) const;
  std::uint32_t newest() const { return keys_.rbegin()->first; }
  const DataKey* find(std::uint32_t kek_id) const;

 private:
  KeyRing() = default;
  std::map<std::uint32_t, DataKey> keys_;
};

// Wraps and unwraps data keys. Belongs to one worker.
class KeyWrapper {
 public:
  KeyWrapper(Loop& loop, const KeyRing& ring) : loop_(loop), ring_(ring) {}
  catalog::WrappedKey wrap(const BodyId& body, const DataKey& key);
  // kCorrupt when the tag does not fit; kNotFound when the key ring lacks the KEK.
  Result<DataKey> unwrap(const BodyId& body, const catalog::WrappedKey& wrapped);

 private:
  Result<Aead*> cipher(std::uint32_t kek_id);
  Loop& loop_;
  const KeyRing& ring_;
  std::map<std::uint32_t, Aead> ciphers_;
};

}  // namespace hydra::object
