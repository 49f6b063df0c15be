#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstring>

#include "base/assert.h"

namespace hydra {

namespace {

struct CipherContextDelete {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextDelete>;

unsigned char* raw(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }
const unsigned char* raw(const std::byte* p) { return reinterpret_cast<const unsigned char*>(p); }
int length_of(ByteView bytes) {
  HYDRA_ASSERT(bytes.size() <= INT32_MAX);
  return static_cast<int>(bytes.size());
}

EVP_MD* sha256_kind() {
  static EVP_MD* const kind = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kind;
}

// The hash of two pieces, by this thread's context: OpenSSL's one-shot call looks the algorithm up
// and allocates each time, which costs more than to hash a request.
Sha256 sha256_of(ByteView first, ByteView second) {
  struct Context {
    EVP_MD_CTX* const state = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(state); }
  };
  thread_local const Context context;
  Sha256 out;
  bool ok = EVP_DigestInit_ex2(context.state, sha256_kind(), nullptr) == 1;
  ok = ok && EVP_DigestUpdate(context.state, first.data(), first.size()) == 1;
  ok = ok && EVP_DigestUpdate(context.state, second.data(), second.size()) == 1;
  ok = ok && EVP_DigestFinal_ex(context.state, raw(out.data()), nullptr) == 1;
  HYDRA_ASSERT(ok);
  return out;
}

}  // namespace

Sha256 sha256(ByteView data) { return sha256_of(data, {}); }

// RFC 2104.
Sha256 hmac_sha256(ByteView key, ByteView data) {
  constexpr std::size_t kBlock = 64;
  std::array<std::byte, kBlock> inner{};
  if (key.size() > kBlock) {
    const Sha256 hashed = sha256(key);
    std::memcpy(inner.data(), hashed.data(), hashed.size());
  } else if (!key.empty()) {
    std::memcpy(inner.data(), key.data(), key.size());
  }
  std::array<std::byte, kBlock> outer;
  for (std::size_t i = 0; i < kBlock; ++i) {
    outer[i] = inner[i] ^ std::byte{0x5c};
    inner[i] ^= std::byte{0x36};
  }
  const Sha256 out = sha256_of(outer, sha256_of(inner, data));
  OPENSSL_cleanse(inner.data(), kBlock);
  OPENSSL_cleanse(outer.data(), kBlock);
  return out;
}

bool equal_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

struct Aead::State {
  std::array<unsigned char, kAesKeyBytes> key;
  CipherContext seal;
  CipherContext open;
  ~State() { OPENSSL_cleanse(key.data(), key.size()); }

  // The context of one direction, with its key schedule, made on first use.
  EVP_CIPHER_CTX* context(CipherContext& slot, int encrypt) {
    if (slot == nullptr) {
      static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
      slot.reset(EVP_CIPHER_CTX_new());
      HYDRA_ASSERT(cipher != nullptr && slot != nullptr);
      HYDRA_ASSERT(EVP_CipherInit_ex2(slot.get(), cipher, key.data(), nullptr, encrypt, nullptr) ==
                   1);
    }
    return slot.get();
  }
};

Aead::Aead(ByteView key) : state_(std::make_unique<State>()) {
  HYDRA_ASSERT(key.size() == kAesKeyBytes);
  std::memcpy(state_->key.data(), key.data(), key.size());
}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

void Aead::seal(ByteView nonce, ByteView aad, ByteView plain, MutableBytes out) {
  HYDRA_ASSERT(nonce.size() == kGcmNonceBytes && out.size() == plain.size() + kGcmTagBytes);
  EVP_CIPHER_CTX* context = state_->context(state_->seal, 1);
  int written = 0;
  bool ok = EVP_EncryptInit_ex2(context, nullptr, nullptr, raw(nonce.data()), nullptr) == 1;
  ok = ok && EVP_EncryptUpdate(context, nullptr, &written, raw(aad.data()), length_of(aad)) == 1;
  if (!plain.empty())
    ok = ok && EVP_EncryptUpdate(context, raw(out.data()), &written, raw(plain.data()),
                                 length_of(plain)) == 1;
  unsigned char* tag = raw(out.data()) + plain.size();
  ok = ok && EVP_EncryptFinal_ex(context, tag, &written) == 1;
  ok = ok && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kGcmTagBytes, tag) == 1;
  HYDRA_ASSERT(ok);
}

Status Aead::open(ByteView nonce, ByteView aad, ByteView sealed, MutableBytes out) {
  if (sealed.size() < kGcmTagBytes) return fail(Code::kCorrupt, "sealed segment is too short");
  const std::size_t plain_bytes = sealed.size() - kGcmTagBytes;
  HYDRA_ASSERT(nonce.size() == kGcmNonceBytes && out.size() >= plain_bytes);
  std::array<unsigned char, kGcmTagBytes> tag;
  std::memcpy(tag.data(), sealed.data() + plain_bytes, tag.size());
  EVP_CIPHER_CTX* context = state_->context(state_->open, 0);
  int written = 0;
  bool ok = EVP_DecryptInit_ex2(context, nullptr, nullptr, raw(nonce.data()), nullptr) == 1;
  ok = ok && EVP_DecryptUpdate(context, nullptr, &written, raw(aad.data()), length_of(aad)) == 1;
  if (plain_bytes > 0)
    ok = ok && EVP_DecryptUpdate(context, raw(out.data()), &written, raw(sealed.data()),
                                 static_cast<int>(plain_bytes)) == 1;
  ok = ok && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kGcmTagBytes, tag.data()) == 1;
  HYDRA_ASSERT(ok);
  unsigned char end;
  if (EVP_DecryptFinal_ex(context, &end, &written) != 1)
    return fail(Code::kCorrupt, "segment does not open: its authentication tag does not fit");
  return {};
}

struct HashContext::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

HashContext::HashContext(Hash hash) : state_(std::make_unique<State>()) {
  static EVP_MD* const kinds[] = {EVP_MD_fetch(nullptr, "MD5", nullptr),
                                  EVP_MD_fetch(nullptr, "SHA1", nullptr), sha256_kind()};
  EVP_MD* const kind = kinds[static_cast<int>(hash)];
  HYDRA_ASSERT(kind != nullptr && EVP_DigestInit_ex2(state_->context, kind, nullptr) == 1);
}
HashContext::~HashContext() = default;

void HashContext::update(ByteView data) {
  HYDRA_ASSERT(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}

std::string HashContext::finish() {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  HYDRA_ASSERT(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(out.data()),
                                  &size) == 1);
  out.resize(size);
  return out;
}

}  // namespace hydra
