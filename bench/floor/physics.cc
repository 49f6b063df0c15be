#include "bench/floor/physics.h"

#include <isa-l.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace hydra::bench {

namespace {

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

using Nonce = std::array<Byte, 12>;
Nonce nonce_of(std::uint64_t index) {
  Nonce nonce{};
  std::memcpy(nonce.data(), &index, sizeof index);
  return nonce;
}

}  // namespace

struct Physics::State {
  std::unique_ptr<EVP_MD_CTX, ContextFree> md5{EVP_MD_CTX_new()};
  std::unique_ptr<EVP_CIPHER_CTX, ContextFree> sealing{EVP_CIPHER_CTX_new()};
  std::unique_ptr<EVP_CIPHER_CTX, ContextFree> opening{EVP_CIPHER_CTX_new()};
  std::array<Byte, 32 * kDataShards * kParityShards> tables;
  std::array<Byte, kShards * kDataShards> matrix;
};

Physics::Physics() : state_(std::make_unique<State>()) {
  std::array<Byte, 32> key;
  key.fill(0x42);
  HYDRA_ASSERT(EVP_EncryptInit_ex(state_->sealing.get(), EVP_aes_256_gcm(), nullptr, key.data(),
                                  nullptr) == 1);
  HYDRA_ASSERT(EVP_DecryptInit_ex(state_->opening.get(), EVP_aes_256_gcm(), nullptr, key.data(),
                                  nullptr) == 1);
  auto& matrix = state_->matrix;
  gf_gen_cauchy1_matrix(matrix.data(), kShards, kDataShards);
  ec_init_tables(kDataShards, kParityShards, matrix.data() + kDataShards * kDataShards,
                 state_->tables.data());
}

Physics::~Physics() = default;

void Physics::md5_begin() {
  HYDRA_ASSERT(EVP_DigestInit_ex(state_->md5.get(), EVP_md5(), nullptr) == 1);
}

void Physics::md5_update(const Byte* data, std::size_t bytes) {
  HYDRA_ASSERT(EVP_DigestUpdate(state_->md5.get(), data, bytes) == 1);
}

void Physics::md5_finish() {
  std::array<Byte, 16> digest;
  HYDRA_ASSERT(EVP_DigestFinal_ex(state_->md5.get(), digest.data(), nullptr) == 1);
}

void Physics::seal(std::uint64_t index, const Byte* plain, std::size_t bytes, Byte* out) {
  const Nonce nonce = nonce_of(index);
  auto* context = state_->sealing.get();
  int written = 0;
  HYDRA_ASSERT(EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1);
  HYDRA_ASSERT(EVP_EncryptUpdate(context, out, &written, plain, static_cast<int>(bytes)) == 1);
  HYDRA_ASSERT(EVP_EncryptFinal_ex(context, out + written, &written) == 1);
  HYDRA_ASSERT(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, out + bytes) == 1);
}

bool Physics::open(std::uint64_t index, const Byte* sealed, std::size_t bytes, Byte* plain) {
  const Nonce nonce = nonce_of(index);
  auto* context = state_->opening.get();
  int written = 0;
  HYDRA_ASSERT(EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data()) == 1);
  HYDRA_ASSERT(EVP_DecryptUpdate(context, plain, &written, sealed, static_cast<int>(bytes)) == 1);
  HYDRA_ASSERT(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                                   const_cast<Byte*>(sealed + bytes)) == 1);
  return EVP_DecryptFinal_ex(context, plain + written, &written) == 1;
}

// In strips of 32 KiB a block, so that the inputs stay in cache while both parities are made.
void Physics::encode(Byte* data, std::size_t block_bytes, Byte* parity) {
  constexpr std::size_t kStrip = 32 * 1024;
  for (std::size_t at = 0; at < block_bytes; at += kStrip) {
    const std::size_t now = std::min(kStrip, block_bytes - at);
    std::array<Byte*, kDataShards> in;
    std::array<Byte*, kParityShards> out;
    for (int i = 0; i < kDataShards; ++i) in[i] = data + i * block_bytes + at;
    for (int i = 0; i < kParityShards; ++i) out[i] = parity + i * block_bytes + at;
    ec_encode_data(static_cast<int>(now), kDataShards, kParityShards, state_->tables.data(),
                   in.data(), out.data());
  }
}

void Physics::rebuild(int lost, const std::array<int, kDataShards>& from, Byte* blocks,
                      std::size_t block_bytes, Byte* out) {
  constexpr std::size_t kRow = kDataShards;
  const auto& matrix = state_->matrix;
  std::array<Byte, kRow * kRow> known, inverse;
  for (std::size_t i = 0; i < kRow; ++i)
    std::copy_n(matrix.begin() + from[i] * kDataShards, kRow, known.begin() + i * kRow);
  HYDRA_ASSERT(gf_invert_matrix(known.data(), inverse.data(), kDataShards) == 0);
  std::array<Byte, kRow> factors{};
  for (std::size_t column = 0; column < kRow; ++column)
    for (std::size_t i = 0; i < kRow; ++i)
      factors[column] ^=
          gf_mul(matrix[static_cast<std::size_t>(lost) * kRow + i], inverse[i * kRow + column]);
  std::array<Byte, 32 * kRow> tables;
  ec_init_tables(kDataShards, 1, factors.data(), tables.data());
  std::array<Byte*, kRow> in;
  for (std::size_t i = 0; i < kRow; ++i) in[i] = blocks + i * block_bytes;
  ec_encode_data(static_cast<int>(block_bytes), kDataShards, 1, tables.data(), in.data(), &out);
}

std::uint32_t Physics::crc32c(const Byte* data, std::size_t bytes) {
  return ~crc32_iscsi(const_cast<Byte*>(data), static_cast<int>(bytes), ~0u);
}

}  // namespace hydra::bench
