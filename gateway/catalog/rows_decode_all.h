// Every decoder over the same bytes: what property tests and the fuzzer do with damage.
#pragma once

#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/rows_format.h"

namespace hydra::catalog {

inline void decode_all(ByteView bytes) {
  (void)decode_meta(bytes);
  (void)decode_state(bytes);
  (void)decode_bucket("b", bytes);
  (void)decode_current(bytes);
  (void)decode_version("k", bytes, Slices::kDecode);
  (void)decode_version("k", bytes, Slices::kSkip);
  (void)decode_version_row(bytes);
  (void)decode_sequence(bytes);
  (void)decode_upload(1, "k", "u", bytes);
  (void)decode_part(1, bytes, Slices::kDecode);
  (void)decode_part(1, bytes, Slices::kSkip);
  (void)decode_completed(bytes);
  (void)decode_body({}, bytes);
  (void)decode_extent({}, bytes);
  (void)decode_node(1, bytes);
  (void)decode_snapshot(1, bytes);
  (void)decode_name(bytes);
  (void)decode_node_number(bytes);
  (void)decode_lease(bytes);
  (void)decode_walk(bytes);
  (void)decode_claim({}, bytes);
  (void)parse_claim_key(bytes);
  (void)decode_extent_id(bytes);
  (void)decode_count(bytes);
  (void)parse_bucket_key(bytes);
  (void)parse_version_key(bytes);
  (void)parse_upload_key(bytes);
  (void)parse_part_key(bytes);
  (void)parse_completed_by_time_key(bytes);
  (void)parse_repair_key(bytes);
  (void)parse_dead_key(bytes);
  (void)parse_stray_key(bytes);
  (void)parse_extent_key(bytes);
  (void)parse_partial_key(bytes);
  (void)parse_trim_key(bytes);
  (void)parse_resident_key(bytes);
  (void)parse_node_key(bytes);
  (void)parse_ring_key(bytes);
  (void)parse_outbox_key(bytes);
  (void)parse_snapshot_key(bytes);
}

}  // namespace hydra::catalog
