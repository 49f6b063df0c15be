#include "gateway/object/key_shares.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/crypto.h"
#include "base/encoding.h"
#include "gateway/object/keyring.h"

extern "C" {
#include <libgfshare.h>  // without C++ in mind
}

namespace hydra::object {

namespace {

constexpr std::string_view kHeader = "hydragrid-key-share 1";
constexpr std::size_t kLineBytes = 32;
constexpr std::size_t kCheckBytes = 16;
constexpr std::size_t kMaxSecretBytes = 16 * 1024;

using Bytes = std::vector<unsigned char>;

void fill_random(unsigned char* out, unsigned int count) {
  while (count > 0) {
    const ssize_t got = ::getrandom(out, count, 0);
    HYDRA_ASSERT(got > 0);
    out += got;
    count -= static_cast<unsigned>(got);
  }
}

struct FreeSharing {
  void operator()(gfshare_ctx* context) const { gfshare_ctx_free(context); }
};
using Sharing = std::unique_ptr<gfshare_ctx, FreeSharing>;

Sharing own(gfshare_ctx* made) {
  HYDRA_ASSERT(made != nullptr);
  return Sharing(made);
}

// Joining needs random numbers, too: what is freed is overwritten with them.
void prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] { gfshare_fill_rand = fill_random; });
}

void clear(Bytes& bytes) { secure_clear(std::as_writable_bytes(std::span(bytes))); }

Bytes with_check(const std::string& text) {
  const Sha256 hash = sha256(as_bytes(text));
  Bytes secret(text.begin(), text.end());
  const auto check = as_text(ByteView(hash).first(kCheckBytes));
  secret.insert(secret.end(), check.begin(), check.end());
  return secret;
}

std::string checksum(std::string_view about, std::string_view line) {
  return fmt::format("{:08x}", crc32c(as_bytes(fmt::format("{}\n{}", about, line))));
}

std::string print_share(std::string_view about, const Bytes& share) {
  std::string text = fmt::format("{}\n{}\n", kHeader, about);
  const ByteView bytes = std::as_bytes(std::span(share));
  for (std::size_t i = 0; i * kLineBytes < bytes.size(); ++i) {
    const ByteView rest = bytes.subspan(i * kLineBytes);
    const std::string line =
        fmt::format("{} {}", i + 1, hex_encode(rest.first(std::min(rest.size(), kLineBytes))));
    text += fmt::format("{} {}\n", line, checksum(about, line));
  }
  return text;
}

struct Share {
  std::string about;  // its line of the split
  std::string split;
  unsigned number = 0, of = 0, needed = 0;
  std::size_t bytes = 0;
  Bytes data;
  unsigned lines = 0;

  bool whole() const { return data.size() == bytes; }
};

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const auto start = line.find_first_not_of(" \t\r\f");
    if (start == std::string_view::npos) break;
    line.remove_prefix(start);
    const auto end = std::min(line.find_first_of(" \t\r\f"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

template <typename Number>
bool read_number(std::string_view word, Number& out) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  return error == std::errc() && end == word.data() + word.size();
}

// "split ID share 2 of 5 needs 3 bytes 100"
std::optional<Share> read_about(const std::vector<std::string_view>& words) {
  Share share;
  if (words.size() != 10 || words[0] != "split" || words[2] != "share" || words[4] != "of" ||
      words[6] != "needs" || words[8] != "bytes" || !read_number(words[3], share.number) ||
      !read_number(words[5], share.of) || !read_number(words[7], share.needed) ||
      !read_number(words[9], share.bytes))
    return {};
  if (share.of > kMaxKeyShares || share.number < 1 || share.number > share.of || share.needed < 2 ||
      share.needed > share.of || share.bytes <= kCheckBytes || share.bytes > kMaxSecretBytes)
    return {};
  share.split = words[1];
  share.about = fmt::format("{}", fmt::join(words, " "));
  return share;
}

// "1 HEX CRC"; whether it is the next line of `share`.
bool read_line(const std::vector<std::string_view>& words, Share& share) {
  unsigned number = 0;
  if (words.size() != 3 || !read_number(words[0], number) || number != share.lines + 1)
    return false;
  if (words[2] != checksum(share.about, fmt::format("{} {}", words[0], words[1]))) return false;
  const auto raw = hex_decode(words[1]);
  const std::size_t wanted = std::min(kLineBytes, share.bytes - share.data.size());
  if (!raw || raw->size() != wanted) return false;
  share.data.insert(share.data.end(), raw->begin(), raw->end());
  ++share.lines;
  return true;
}

Result<std::vector<Share>> read_shares(std::string_view text) {
  std::vector<Share> shares;
  bool begun = false;  // a header without its line of the split yet
  for (int number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const auto words = words_of(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto bad = [number](std::string_view what) {
      return fail(Code::kInvalidArgument, fmt::format("key shares, line {}: {}", number, what));
    };
    if (words.empty() || words.front().starts_with('#')) continue;
    if (fmt::format("{}", fmt::join(words, " ")) == kHeader) {
      if (begun || (!shares.empty() && !shares.back().whole()))
        return bad("the share before it is not complete");
      begun = true;
    } else if (begun) {
      auto share = read_about(words);
      if (!share) return bad("expected \"split ID share N of N needs N bytes N\"");
      shares.push_back(std::move(*share));
      begun = false;
    } else if (shares.empty()) {
      return bad("expected \"hydragrid-key-share 1\"");
    } else if (shares.back().whole() || !read_line(words, shares.back())) {
      return bad("it is not as it was printed, or out of its order");
    }
  }
  if (begun || (!shares.empty() && !shares.back().whole()))
    return fail(Code::kInvalidArgument, "key shares: the last share is not complete");
  if (shares.empty()) return fail(Code::kInvalidArgument, "key shares: there are none");
  return shares;
}

// Of one split, and enough of them; each once.
Result<std::map<unsigned, Bytes>> select(std::vector<Share> shares) {
  const Share& first = shares.front();
  std::map<unsigned, Bytes> chosen;
  for (Share& share : shares) {
    if (share.split != first.split || share.of != first.of || share.needed != first.needed ||
        share.bytes != first.bytes)
      return fail(Code::kInvalidArgument, "key shares: they are of different splits");
    chosen.emplace(share.number, std::move(share.data));
  }
  if (chosen.size() < first.needed)
    return fail(Code::kInvalidArgument, fmt::format("key shares: {} of the {} that are needed",
                                                    chosen.size(), first.needed));
  while (chosen.size() > first.needed) chosen.erase(std::prev(chosen.end()));
  return chosen;
}

}  // namespace

Result<std::vector<std::string>> split_keys(std::string_view key_file, unsigned shares,
                                            unsigned needed) {
  if (needed < 2 || needed > shares || shares > kMaxKeyShares)
    return fail(
        Code::kInvalidArgument,
        fmt::format("of 2 to {} shares at least 2 and at most all can be needed", kMaxKeyShares));
  HYDRA_TRY(const KeyRing ring, KeyRing::parse(key_file));
  Bytes secret = with_check(ring.to_text());
  if (secret.size() > kMaxSecretBytes)
    return fail(Code::kInvalidArgument, "the key file is too long to be split");
  Bytes numbers(shares);
  for (unsigned i = 0; i < shares; ++i) numbers[i] = static_cast<unsigned char>(i + 1);

  prepare_library();
  const Sharing sharing =
      own(gfshare_ctx_init_enc(numbers.data(), shares, static_cast<unsigned char>(needed),
                               static_cast<unsigned>(secret.size())));
  gfshare_ctx_enc_setsecret(sharing.get(), secret.data());
  std::array<unsigned char, 8> id{};
  fill_random(id.data(), id.size());
  std::vector<std::string> out;
  for (unsigned i = 0; i < shares; ++i) {
    Bytes share(secret.size());
    gfshare_ctx_enc_getshare(sharing.get(), static_cast<unsigned char>(i), share.data());
    out.push_back(print_share(
        fmt::format("split {} share {} of {} needs {} bytes {}",
                    hex_encode(std::as_bytes(std::span(id))), i + 1, shares, needed, secret.size()),
        share));
    clear(share);
  }
  clear(secret);
  return out;
}

Result<std::string> join_key_shares(std::string_view text) {
  HYDRA_TRY(std::vector<Share> shares, read_shares(text));
  HYDRA_TRY(auto chosen, select(std::move(shares)));
  Bytes numbers;
  for (const auto& [number, data] : chosen) numbers.push_back(static_cast<unsigned char>(number));
  Bytes secret(chosen.begin()->second.size());
  prepare_library();
  const Sharing sharing = own(gfshare_ctx_init_dec(
      numbers.data(), static_cast<unsigned>(numbers.size()), static_cast<unsigned>(secret.size())));
  unsigned char index = 0;
  for (auto& [number, data] : chosen) {
    gfshare_ctx_dec_giveshare(sharing.get(), index++, data.data());
    clear(data);
  }
  gfshare_ctx_dec_extract(sharing.get(), secret.data());
  std::string keys(secret.begin(), secret.end() - kCheckBytes);
  Bytes expected = with_check(keys);
  const bool fits = expected == secret;
  clear(secret);
  clear(expected);
  if (!fits || !KeyRing::parse(keys))
    return fail(Code::kCorrupt, "key shares: together they make no key file");
  return keys;
}

}  // namespace hydra::object
