// Versions of objects within a write closure: preconditions, replacing and erasing what is current.
// On the writer thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "gateway/catalog/catalog.h"
#include "gateway/catalog/ledger.h"

namespace hydra::catalog {

// `current` is the key's current version, nullptr when there is none. The semantics are those of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html and
// conditional-deletes.html.
Status check_preconditions(const Preconditions& preconditions, const CurrentRow* current);

// Decides the preconditions, then makes `version` the current one. Its slices must be counted
// already; those of the version that it replaces are released.
Status replace_current(Ledger& ledger, BucketId bucket, const Version& version,
                       const Preconditions& preconditions);

// Erases the current version, if there is one and the preconditions hold, and releases its slices.
Result<DeleteResult> erase_current(Ledger& ledger, BucketId bucket, const std::string& key,
                                   const Preconditions& preconditions);

}  // namespace hydra::catalog
