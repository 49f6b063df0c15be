// Versions of objects within a write closure: preconditions, making new versions and removing old
// ones, and which of a key is current. On the writer thread.
//
// The newest version of a key is current, unless it is a delete marker: then the key has no current
// version. The null version has a row in `null versions` while it is not the current one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/catalog/catalog.h"
#include "gateway/catalog/ledger.h"

namespace hydra::catalog {

// What preconditions are checked against.
struct Subject {
  std::string_view etag;
  std::uint64_t bytes = 0;
  std::int64_t modified_ms = 0;
};

// `subject` is nullptr when there is nothing. The semantics are those of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html and
// conditional-deletes.html.
Status check_preconditions(const Preconditions& preconditions, const Subject* subject);

// Decides the preconditions against the current version, then makes `version` the current one and
// gives it its id, which is returned: a new one, with `random` in it, where the bucket keeps
// versions; else it replaces the null version. Its slices must be counted already; those of a
// version that it replaces are released.
Result<std::string> insert_version(Ledger& ledger, const Bucket& bucket, Version& version,
                                   const Preconditions& preconditions, std::uint64_t random);

// Deletes a key as a request without a version id does: by a delete marker (whose id has `random`
// in it) in a bucket that keeps versions, which replaces the null version where that is suspended;
// for good where it never was enabled. Preconditions are decided against the newest version, a
// delete marker being one without bytes and tag; kNoSuchKey when they ask for something and there
// is nothing. A refusal changes nothing.
Result<DeleteResult> erase_key(Ledger& ledger, const Bucket& bucket, const std::string& key,
                               const Preconditions& preconditions, std::uint64_t random);

// Removes one version for good, if there is one of this id. If it was the newest, the next one
// takes its place. A refusal changes nothing.
Result<DeleteResult> erase_version(Ledger& ledger, const Bucket& bucket, const std::string& key,
                                   const std::string& version_id,
                                   const Preconditions& preconditions);

}  // namespace hydra::catalog
