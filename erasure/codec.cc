#include "erasure/codec.h"

#include <isa-l/erasure_code.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/assert.h"

namespace hydra::erasure {
namespace {

constexpr std::size_t kStripBytes = 32 * 1024;  // of each block at a time
constexpr std::size_t kTableBytes = 32;         // ISA-L's expanded table of one coefficient
constexpr std::size_t kCachedPatterns = 128;    // loss patterns whose tables are kept
using Matrix = std::vector<unsigned char>;      // row-major
using Tables = std::vector<unsigned char>;      // expanded for ec_encode_data
using Pointers = std::array<unsigned char*, kMaxShards>;

unsigned char* writable(const std::byte* bytes) {
  return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes));
}

// The (k+m) x k generator: the identity above ISA-L's Cauchy rows, these scaled by rows and columns
// until the first parity row and the first column hold only ones. Scaling by non-zero factors keeps
// every k x k submatrix invertible; it makes the first parity the plain XOR, and the parities of
// 1+m copies of the data.
Matrix generator(Profile profile) {
  const int k = profile.k;
  Matrix matrix(static_cast<std::size_t>(profile.shards() * k));
  ::gf_gen_cauchy1_matrix(matrix.data(), profile.shards(), k);
  unsigned char* parity = matrix.data() + k * k;
  for (int column = 0; column < k; ++column) {
    const unsigned char factor = ::gf_inv(parity[column]);
    for (int row = 0; row < profile.m; ++row)
      parity[row * k + column] = ::gf_mul(parity[row * k + column], factor);
  }
  for (int row = 0; row < profile.m; ++row) {
    const unsigned char factor = ::gf_inv(parity[row * k]);
    for (int column = 0; column < k; ++column)
      parity[row * k + column] = ::gf_mul(parity[row * k + column], factor);
  }
  return matrix;
}

Tables expand(Matrix& rows, int k) {
  const auto count = static_cast<int>(rows.size()) / k;
  Tables tables(kTableBytes * rows.size());
  ::ec_init_tables(k, count, rows.data(), tables.data());
  return tables;
}

// outputs = rows of the tables times inputs, strip by strip. The pointers are advanced.
void multiply(const Tables& tables, int k, int rows, Pointers& inputs, Pointers& outputs,
              std::size_t length) {
  auto* table = const_cast<unsigned char*>(tables.data());
  while (length > 0) {
    const std::size_t strip = std::min(length, kStripBytes);
    ::ec_encode_data(static_cast<int>(strip), k, rows, table, inputs.data(), outputs.data());
    for (int i = 0; i < k; ++i) inputs[static_cast<std::size_t>(i)] += strip;
    for (int i = 0; i < rows; ++i) outputs[static_cast<std::size_t>(i)] += strip;
    length -= strip;
  }
}

// Which shards are there and which are wanted, with their memory in the order of their indexes.
struct Pattern {
  std::uint32_t present = 0;  // bit i: shard i
  std::uint32_t missing = 0;
  std::size_t length = 0;
  Pointers inputs{};
  Pointers outputs{};

  std::uint64_t key() const { return (std::uint64_t{present} << 32) | missing; }
};

// Drops the null entries in between, so that the pointers stand side by side.
void close_gaps(Pointers& pointers) {
  const auto end = std::remove(pointers.begin(), pointers.end(), nullptr);
  std::fill(end, pointers.end(), nullptr);
}

Result<Pattern> read_pattern(Profile profile, std::span<const Shard> present,
                             std::span<const MissingShard> missing) {
  if (present.size() < profile.k)
    return fail(Code::kUnavailable, "too few shards to rebuild the others");
  Pattern pattern;
  pattern.length = present.front().bytes.size();
  const auto take = [&](std::uint8_t index, std::size_t length, const std::byte* bytes,
                        std::uint32_t& mask, Pointers& pointers) {
    if (index >= profile.shards() || length != pattern.length || length == 0) return false;
    const std::uint32_t bit = 1u << index;
    if (((pattern.present | pattern.missing) & bit) != 0) return false;
    mask |= bit;
    pointers[index] = writable(bytes);
    return true;
  };
  for (const Shard& shard : present.first(profile.k))
    if (!take(shard.index, shard.bytes.size(), shard.bytes.data(), pattern.present, pattern.inputs))
      return fail(Code::kInvalidArgument, "present shards: bad index or length");
  for (const MissingShard& shard : missing)
    if (!take(shard.index, shard.bytes.size(), shard.bytes.data(), pattern.missing,
              pattern.outputs))
      return fail(Code::kInvalidArgument, "missing shards: bad index or length");
  close_gaps(pattern.inputs);
  close_gaps(pattern.outputs);
  return pattern;
}

// The rows that give the missing shards from the present ones: (rows of the missing) x (inverse of
// those present).
Result<Tables> decode_tables(Profile profile, const Matrix& matrix, std::uint32_t present,
                             std::uint32_t missing) {
  const int k = profile.k;
  const auto row_of = [&](const Matrix& from, int row) { return from.begin() + row * k; };
  Matrix kept;
  for (int row = 0; row < profile.shards(); ++row)
    if ((present >> row & 1) != 0)
      kept.insert(kept.end(), row_of(matrix, row), row_of(matrix, row + 1));
  Matrix inverse(kept.size());
  if (::gf_invert_matrix(kept.data(), inverse.data(), k) != 0)
    return fail(Code::kInternal, "singular decode matrix");
  Matrix rows;
  for (int row = 0; row < profile.shards(); ++row) {
    if ((missing >> row & 1) == 0) continue;
    for (int column = 0; column < k; ++column) {
      unsigned char sum = 0;
      for (int i = 0; i < k; ++i)
        sum ^= ::gf_mul(*(row_of(matrix, row) + i), *(row_of(inverse, i) + column));
      rows.push_back(sum);
    }
  }
  return expand(rows, k);
}

}  // namespace

struct Codec::State {
  Matrix matrix;
  Tables parity_tables;
  std::mutex mutex;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Tables>> decode_cache;  // by Pattern::key
};

Codec::Codec(Profile profile) : profile_(profile), state_(std::make_unique<State>()) {
  HYDRA_ASSERT(profile.valid());
  state_->matrix = generator(profile);
  Matrix parity(state_->matrix.begin() + profile.k * profile.k, state_->matrix.end());
  state_->parity_tables = expand(parity, profile.k);
}

Codec::~Codec() = default;

void Codec::encode(std::span<const ByteView> data, std::span<const MutableBytes> parity) const {
  HYDRA_ASSERT(data.size() == profile_.k && parity.size() == profile_.m);
  const std::size_t length = data.front().size();
  HYDRA_ASSERT(length > 0);
  Pointers inputs{};
  Pointers outputs{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    HYDRA_ASSERT(data[i].size() == length);
    inputs[i] = writable(data[i].data());
  }
  for (std::size_t i = 0; i < parity.size(); ++i) {
    HYDRA_ASSERT(parity[i].size() == length);
    outputs[i] = writable(parity[i].data());
  }
  multiply(state_->parity_tables, profile_.k, profile_.m, inputs, outputs, length);
}

Status Codec::reconstruct(std::span<const Shard> present,
                          std::span<const MissingShard> missing) const {
  HYDRA_TRY(Pattern pattern, read_pattern(profile_, present, missing));
  if (missing.empty()) return {};
  std::shared_ptr<const Tables> tables;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->decode_cache.find(pattern.key());
    if (found != state_->decode_cache.end()) tables = found->second;
  }
  if (tables == nullptr) {
    HYDRA_TRY(Tables made,
              decode_tables(profile_, state_->matrix, pattern.present, pattern.missing));
    tables = std::make_shared<const Tables>(std::move(made));
    const std::lock_guard lock(state_->mutex);
    if (state_->decode_cache.size() >= kCachedPatterns) state_->decode_cache.clear();
    state_->decode_cache[pattern.key()] = tables;
  }
  multiply(*tables, profile_.k, static_cast<int>(missing.size()), pattern.inputs, pattern.outputs,
           pattern.length);
  return {};
}

std::uint8_t Codec::coefficient(int row, int column) const {
  HYDRA_ASSERT(row >= 0 && row < profile_.shards() && column >= 0 && column < profile_.k);
  return state_->matrix[static_cast<std::size_t>(row * profile_.k + column)];
}

const Codec& codec_for(Profile profile) {
  static std::mutex mutex;
  static std::map<Profile, Codec> codecs;
  const std::lock_guard lock(mutex);
  return codecs.try_emplace(profile, profile).first->second;
}

}  // namespace hydra::erasure
