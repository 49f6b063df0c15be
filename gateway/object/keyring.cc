#include "gateway/object/keyring.h"

#include <charconv>

#include "base/encoding.h"

namespace hydra::object {

namespace {
constexpr std::string_view kHeader = "hydragrid-keys 1";

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// HKDF-SHA256 (RFC 5869) without salt, one block.
DataKey hkdf(const DataKey& key, std::string_view info) {
  const Sha256 no_salt{};
  Sha256 extracted = hmac_sha256(no_salt, key);
  const DataKey derived = hmac_sha256(extracted, as_bytes(std::string(info) + '\x01'));
  secure_clear(extracted);
  return derived;
}

}  // namespace

Result<KeyRing> KeyRing::parse(std::string_view text) {
  KeyRing ring;
  bool header = false;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto bad = [&](const char* what) {
      return fail(Code::kInvalidArgument, "key file, line " + std::to_string(number) + ": " + what);
    };
    if (line.empty() || line.front() == '#') continue;
    if (!header) {
      if (line != kHeader) return bad("expected \"hydragrid-keys 1\"");
      header = true;
      continue;
    }
    std::uint32_t id = 0;
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), id);
    if (error != std::errc() || id == 0 || rest == line.data() + line.size() || *rest != ' ')
      return bad("expected a key number above 0, a space and 64 hexadecimal digits");
    auto key = hex_decode(trim(line.substr(static_cast<std::size_t>(rest - line.data()))));
    if (!key || key->size() != kAesKeyBytes) return bad("a key has 64 hexadecimal digits");
    DataKey bytes;
    std::memcpy(bytes.data(), key->data(), bytes.size());
    secure_clear(std::as_writable_bytes(std::span(*key)));
    if (!ring.keys_.emplace(id, bytes).second) return bad("this key number was used before");
  }
  if (ring.keys_.empty()) return fail(Code::kInvalidArgument, "key file: it holds no key");
  return ring;
}

std::string KeyRing::generate(const DataKey& key) {
  std::string text =
      "# HydraGrid's key-encryption keys. Without this file no object can be read again: keep a "
      "copy of it\n"
      "# in a safe place, away from this machine. Whoever has it and the agents' disks can read "
      "everything.\n";
  KeyRing ring;
  ring.keys_.emplace(1, key);
  return text + ring.to_text();
}

std::string KeyRing::to_text() const {
  std::string text = std::string(kHeader) + "\n";
  for (const auto& [id, key] : keys_) text += std::to_string(id) + " " + hex_encode(key) + "\n";
  return text;
}

KeyRing::~KeyRing() {
  for (auto& [id, key] : keys_) secure_clear(key);
}

DataKey KeyRing::derive(std::string_view info) const { return hkdf(keys_.begin()->second, info); }

std::map<std::uint32_t, DataKey> KeyRing::derive_each(std::string_view info) const {
  std::map<std::uint32_t, DataKey> derived;
  for (const auto& [id, key] : keys_) derived.emplace(id, hkdf(key, info));
  return derived;
}

const DataKey* KeyRing::find(std::uint32_t kek_id) const {
  const auto it = keys_.find(kek_id);
  return it == keys_.end() ? nullptr : &it->second;
}

Result<Aead*> KeyWrapper::cipher(std::uint32_t kek_id) {
  auto it = ciphers_.find(kek_id);
  if (it == ciphers_.end()) {
    const DataKey* key = ring_.find(kek_id);
    if (key == nullptr)
      return fail(Code::kNotFound,
                  "key file: it lacks key-encryption key " + std::to_string(kek_id));
    it = ciphers_.emplace(kek_id, Aead(*key)).first;
  }
  return &it->second;
}

catalog::WrappedKey KeyWrapper::wrap(const BodyId& body, const DataKey& key) {
  catalog::WrappedKey wrapped{ring_.newest(), {}};
  const MutableBytes out(wrapped.sealed);
  loop_.random(out.first(kGcmNonceBytes));
  auto aead = cipher(wrapped.kek_id);
  HYDRA_ASSERT(aead.has_value());
  (*aead)->seal(out.first(kGcmNonceBytes), body.view(), key, out.subspan(kGcmNonceBytes));
  return wrapped;
}

Result<DataKey> KeyWrapper::unwrap(const BodyId& body, const catalog::WrappedKey& wrapped) {
  HYDRA_TRY(Aead * aead, cipher(wrapped.kek_id));
  const ByteView sealed(wrapped.sealed);
  DataKey key;
  HYDRA_CHECK_OK(
      aead->open(sealed.first(kGcmNonceBytes), body.view(), sealed.subspan(kGcmNonceBytes), key));
  return key;
}

}  // namespace hydra::object
