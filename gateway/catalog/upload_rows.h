// Uploads and their parts within a write closure. On the writer thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "gateway/catalog/ledger.h"

namespace hydra::catalog {

// All parts of an upload with their slices, in the order of their numbers. Does not see the
// closure's own writes.
Result<std::vector<Part>> load_parts(Change& change, std::string_view upload_id);

// Erases the rows of the upload and of its parts, without releasing what the parts point at.
void erase_upload(Ledger& ledger, BucketId bucket, std::string_view key, std::string_view upload_id,
                  const std::vector<std::uint32_t>& part_numbers);

// Aborts uploads of the bucket, so many that a commit can bear it. False: there was none.
Result<bool> abort_some_uploads(Ledger& ledger, BucketId bucket);

// Forgets a few of the completions that are older than kCompletionKeptMs. Called whenever an
// upload begins, so that they are forgotten faster than they are remembered.
Status forget_old_completions(Ledger& ledger);
constexpr std::int64_t kCompletionKeptMs = 24 * 60 * 60 * 1000;

}  // namespace hydra::catalog
