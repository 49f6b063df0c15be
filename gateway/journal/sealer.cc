#include "gateway/journal/sealer.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/endian.h"

namespace hydra::journal {

namespace {
constexpr unsigned kStretchBits = 20;
constexpr std::size_t kMaxCiphers = 16;
constexpr std::string_view kStretchLabel = "hydragrid journal stretch";
}  // namespace

Result<Aead*> Sealer::cipher(std::uint32_t kek_id, std::uint64_t sequence) {
  const std::pair id(kek_id, sequence >> kStretchBits);
  if (const auto known = ciphers_.find(id); known != ciphers_.end()) return &known->second;
  const auto key = keys_.keys.find(kek_id);
  if (key == keys_.keys.end())
    return fail(Code::kNotFound, "key file: it lacks key-encryption key " + std::to_string(kek_id));
  std::string label(kStretchLabel);
  label.resize(kStretchLabel.size() + 8);
  store_be(label.data() + kStretchLabel.size(), id.second);
  Sha256 stretch = hmac_sha256(key->second, as_bytes(label));
  if (ciphers_.size() >= kMaxCiphers) ciphers_.clear();
  Aead* made = &ciphers_.emplace(id, Aead(stretch)).first->second;
  secure_clear(stretch);
  return made;
}

std::string Sealer::seal(Header header, ByteView plain) {
  HYDRA_ASSERT(plain.size() <= kMaxPlainBytes);
  header.kek_id = keys_.newest;
  header.plain_bytes = static_cast<std::uint32_t>(plain.size());
  std::string out = encode(header);
  out.resize(kLeastSealedBytes + plain.size());
  const MutableBytes bytes(reinterpret_cast<std::byte*>(out.data()), out.size());
  auto aead = cipher(header.kek_id, header.sequence);
  HYDRA_ASSERT(aead.has_value());
  (*aead)->seal(header.nonce, bytes.first(kHeaderBytes), plain, bytes.subspan(kHeaderBytes));
  return out;
}

Result<Opened> Sealer::open(ByteView sealed) {
  Opened opened;
  HYDRA_TRY(opened.header, decode_header(sealed));
  HYDRA_TRY(Aead * aead, cipher(opened.header.kek_id, opened.header.sequence));
  opened.plain.resize(opened.header.plain_bytes);
  const MutableBytes plain(reinterpret_cast<std::byte*>(opened.plain.data()), opened.plain.size());
  HYDRA_CHECK_OK(aead->open(opened.header.nonce, sealed.first(kHeaderBytes),
                            sealed.subspan(kHeaderBytes), plain));
  return opened;
}

Nonce NonceSource::next() {
  Nonce nonce;
  std::copy(start_.begin(), start_.end(), nonce.begin());
  store_le(nonce.data() + start_.size(), count_++);
  return nonce;
}

}  // namespace hydra::journal
