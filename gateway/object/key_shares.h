// Splitting the key file among several keepers: of n shares any k make it whole, k - 1 tell nothing
// of it (A. Shamir, How to Share a Secret, 1979; over GF(2^8), by libgfshare).
//
// A share is text, short enough to be printed and typed again:
//
//   hydragrid-key-share 1
//   split 91c2a6d0b7e45f38 share 2 of 5 needs 3 bytes 100
//   1 6c0f…  (32 bytes in hexadecimal) 8d1e55aa
//   2 …
//
// Each line ends with the CRC32C of the line of the split, a line feed and the line before its
// checksum, so a slip of the pen names its line. What is split is the key file's lines without
// comments, and the first 16 bytes of their SHA-256, by which shares that do not belong together
// are told. '#' begins a comment. Pure but for the system's random numbers; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hydra::object {

constexpr unsigned kMaxKeyShares = 32;

// One text for each share. kInvalidArgument unless 2 <= needed <= shares <= kMaxKeyShares and
// `key_file` is one.
Result<std::vector<std::string>> split_keys(std::string_view key_file, unsigned shares,
                                            unsigned needed);
// `text` holds shares one after another, in any order, some perhaps twice. Returns the key file.
// kInvalidArgument tells which line is wrong or how many shares are missing; kCorrupt when they do
// not make a key file.
Result<std::string> join_key_shares(std::string_view text);

}  // namespace hydra::object
