#include "base/digest.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/crc64.h"
#include "base/crypto.h"
#include "base/endian.h"

namespace hydra {

namespace {

class HashDigest : public Digest {
 public:
  explicit HashDigest(Hash hash) : context_(hash) {}
  void update(ByteView data) override { context_.update(data); }
  std::string finish() override { return context_.finish(); }

 private:
  HashContext context_;
};

template <typename T, T (*Update)(ByteView, T)>
class CrcDigest : public Digest {
 public:
  void update(ByteView data) override { crc_ = Update(data, crc_); }
  std::string finish() override {
    std::string out(sizeof(T), '\0');
    store_be<T>(out.data(), crc_);
    return out;
  }

 private:
  T crc_ = 0;
};

// Polynomials over GF(2) modulo P, bit-reflected in `width` bits: the most significant bit is x^0.
struct Field {
  std::uint64_t polynomial;
  int width;

  std::uint64_t one() const { return std::uint64_t{1} << (width - 1); }
  std::uint64_t times_x(std::uint64_t v) const { return (v >> 1) ^ ((v & 1) ? polynomial : 0); }
  std::uint64_t multiply(std::uint64_t a, std::uint64_t b) const {
    std::uint64_t product = 0;
    for (std::uint64_t bit = one(); bit != 0; bit >>= 1, b = times_x(b))
      if (a & bit) product ^= b;
    return product;
  }
  std::uint64_t x_to_the(std::uint64_t exponent) const {
    std::uint64_t result = one();
    for (std::uint64_t square = times_x(one()); exponent != 0; exponent >>= 1) {
      if (exponent & 1) result = multiply(result, square);
      square = multiply(square, square);
    }
    return result;
  }
};

template <typename T>
std::string combine(const Field& field, std::string_view a, std::string_view b,
                    std::uint64_t bytes) {
  std::uint64_t eighth = field.x_to_the(bytes);
  // x^(8 * bytes) is (x^bytes)^8, which cannot overflow the exponent.
  for (int i = 0; i < 3; ++i) eighth = field.multiply(eighth, eighth);
  const auto crc =
      static_cast<T>(field.multiply(load_be<T>(a.data()), eighth) ^ load_be<T>(b.data()));
  std::string out(sizeof(T), '\0');
  store_be<T>(out.data(), crc);
  return out;
}

}  // namespace

std::unique_ptr<Digest> make_digest(DigestKind kind) {
  switch (kind) {
    case DigestKind::kMd5:
      return std::make_unique<HashDigest>(Hash::kMd5);
    case DigestKind::kSha1:
      return std::make_unique<HashDigest>(Hash::kSha1);
    case DigestKind::kSha256:
      return std::make_unique<HashDigest>(Hash::kSha256);
    case DigestKind::kCrc32:
      return std::make_unique<CrcDigest<std::uint32_t, crc32>>();
    case DigestKind::kCrc32c:
      return std::make_unique<CrcDigest<std::uint32_t, crc32c>>();
    case DigestKind::kCrc64Nvme:
      return std::make_unique<CrcDigest<std::uint64_t, crc64_nvme>>();
  }
  HYDRA_ASSERT(false);
}

std::string digest_of(DigestKind kind, ByteView data) {
  auto digest = make_digest(kind);
  digest->update(data);
  return digest->finish();
}

std::size_t digest_bytes(DigestKind kind) {
  switch (kind) {
    case DigestKind::kMd5:
      return 16;
    case DigestKind::kSha1:
      return 20;
    case DigestKind::kSha256:
      return 32;
    case DigestKind::kCrc32:
    case DigestKind::kCrc32c:
      return 4;
    case DigestKind::kCrc64Nvme:
      return 8;
  }
  HYDRA_ASSERT(false);
}

std::string combine_crc(DigestKind kind, std::string_view crc_a, std::string_view crc_b,
                        std::uint64_t length_b) {
  switch (kind) {
    case DigestKind::kCrc32:
      return combine<std::uint32_t>({0xedb88320, 32}, crc_a, crc_b, length_b);
    case DigestKind::kCrc32c:
      return combine<std::uint32_t>({0x82f63b78, 32}, crc_a, crc_b, length_b);
    case DigestKind::kCrc64Nvme:
      return combine<std::uint64_t>({kCrc64NvmePolynomial, 64}, crc_a, crc_b, length_b);
    default:
      HYDRA_ASSERT(false);
  }
}

}  // namespace hydra
