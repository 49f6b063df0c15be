// CRC-64/NVME by folding with carry-less multiplication, after Gopal et al., "Fast CRC Computation
// for Generic Polynomials Using PCLMULQDQ" (Intel, 2009); a byte table where the processor has no
// PCLMULQDQ.
#include "base/crc64.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hydra {

namespace {

constexpr std::uint64_t times_x(std::uint64_t v) {
  return (v >> 1) ^ ((v & 1) ? kCrc64NvmePolynomial : 0);
}

constexpr std::array<std::uint64_t, 256> make_table() {
  std::array<std::uint64_t, 256> table{};
  for (std::uint64_t i = 0; i < 256; ++i) {
    std::uint64_t v = i;
    for (int bit = 0; bit < 8; ++bit) v = times_x(v);
    table[i] = v;
  }
  return table;
}
constexpr auto kTable = make_table();

std::uint64_t by_table(const unsigned char* p, std::size_t n, std::uint64_t state) {
  for (std::size_t i = 0; i < n; ++i) state = kTable[(state ^ p[i]) & 0xff] ^ (state >> 8);
  return state;
}

#if defined(__x86_64__)
// x^n mod P, bit-reflected.
constexpr std::uint64_t power(int n) {
  std::uint64_t v = std::uint64_t{1} << 63;
  for (int i = 0; i < n; ++i) v = times_x(v);
  return v;
}
// A reflected 64 x 64 product carries a factor x, hence the -1. To move a 16-byte block `bits`
// ahead, its first half (the higher powers) is multiplied by x^(bits+64-1) and its second by
// x^(bits-1).
struct FoldKey {
  std::uint64_t first, second;
};
constexpr FoldKey fold_key(int bits) { return {power(bits + 63), power(bits - 1)}; }

__attribute__((target("pclmul,sse4.1"))) inline __m128i fold(__m128i block, __m128i key) {
  return _mm_xor_si128(_mm_clmulepi64_si128(block, key, 0x00),
                       _mm_clmulepi64_si128(block, key, 0x11));
}

// n is at least 64 and a multiple of 16.
__attribute__((target("pclmul,sse4.1"))) std::uint64_t by_folding(const unsigned char* p,
                                                                  std::size_t n,
                                                                  std::uint64_t state) {
  constexpr FoldKey kFar = fold_key(512), kNear = fold_key(128);
  const __m128i far =
      _mm_set_epi64x(static_cast<long long>(kFar.second), static_cast<long long>(kFar.first));
  const __m128i near =
      _mm_set_epi64x(static_cast<long long>(kNear.second), static_cast<long long>(kNear.first));
  const auto load = [](const unsigned char* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  };
  __m128i lanes[4] = {load(p), load(p + 16), load(p + 32), load(p + 48)};
  lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, static_cast<long long>(state)));
  p += 64;
  n -= 64;
  for (; n >= 64; p += 64, n -= 64)
    for (int i = 0; i < 4; ++i) lanes[i] = _mm_xor_si128(fold(lanes[i], far), load(p + 16 * i));
  __m128i sum = lanes[0];
  for (int i = 1; i < 4; ++i) sum = _mm_xor_si128(fold(sum, near), lanes[i]);
  for (; n >= 16; p += 16, n -= 16) sum = _mm_xor_si128(fold(sum, near), load(p));
  unsigned char rest[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), sum);
  return by_table(rest, sizeof rest, 0);
}
#endif

}  // namespace

std::uint64_t crc64_nvme(ByteView data, std::uint64_t crc) {
  const auto* p = reinterpret_cast<const unsigned char*>(data.data());
  std::size_t n = data.size();
  std::uint64_t state = ~crc;
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (fast && n >= 64) {
    const std::size_t folded = n & ~std::size_t{15};
    state = by_folding(p, folded, state);
    p += folded;
    n -= folded;
  }
#endif
  return ~by_table(p, n, state);
}

}  // namespace hydra
