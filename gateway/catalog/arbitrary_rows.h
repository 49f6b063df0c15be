// Random rows for property tests.
#pragma once

#include <rapidcheck.h>

#include <string>

#include "gateway/catalog/rows_format.h"

namespace hydra::catalog {

inline std::string any_text() {
  return *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

template <typename AnyId>
AnyId any_id() {
  AnyId id;
  for (std::byte& b : id.bytes) b = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  return id;
}

inline Owner any_owner() { return {any_text(), any_text()}; }

inline Fields any_fields() {
  Fields fields;
  for (int n = *rc::gen::inRange(0, 5); n > 0; --n) fields[any_text()] = any_text();
  return fields;
}

inline DigestKind any_kind() { return static_cast<DigestKind>(*rc::gen::inRange(1, 7)); }
inline ChecksumType any_type() { return static_cast<ChecksumType>(*rc::gen::inRange(1, 3)); }

inline std::optional<Checksum> any_checksum() {
  if (*rc::gen::arbitrary<bool>()) return std::nullopt;
  return Checksum{any_kind(), any_type(), any_text()};
}

inline std::vector<Slice> any_slices() {
  std::vector<Slice> slices(*rc::gen::inRange<std::size_t>(0, 4));
  for (Slice& slice : slices) {
    slice.body = any_id<BodyId>();
    slice.offset = *rc::gen::arbitrary<std::uint64_t>();
    slice.length = *rc::gen::arbitrary<std::uint64_t>();
    slice.key.kek_id = *rc::gen::arbitrary<std::uint32_t>();
    for (std::byte& b : slice.key.sealed)
      b = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  }
  return slices;
}

inline Versioning any_versioning() { return static_cast<Versioning>(*rc::gen::inRange(0, 3)); }

inline Version any_version() {
  Version version;
  version.key = any_text();
  version.version_id = any_text();
  version.delete_marker = *rc::gen::arbitrary<bool>();
  version.etag = any_text();
  version.bytes = *rc::gen::arbitrary<std::uint64_t>();
  version.modified_ms = *rc::gen::arbitrary<std::int64_t>();
  version.owner = any_owner();
  version.storage_class = any_text();
  version.fields = any_fields();
  version.checksum = any_checksum();
  version.parts.resize(*rc::gen::inRange<std::size_t>(0, 4));
  for (PartSummary& part : version.parts)
    part = {*rc::gen::arbitrary<std::uint32_t>(), *rc::gen::arbitrary<std::uint64_t>(),
            any_checksum()};
  version.slices = any_slices();
  return version;
}

inline ExtentRow any_extent_row() {
  ExtentRow row;
  row.extent.id = any_id<ExtentId>();
  row.extent.stored_as = *rc::gen::arbitrary<bool>() ? any_id<ExtentId>() : row.extent.id;
  row.extent.profile.k = *rc::gen::inRange<std::uint8_t>(1, 17);
  row.extent.profile.m = *rc::gen::inRange<std::uint8_t>(1, 17);
  row.extent.wanted.k = *rc::gen::inRange<std::uint8_t>(1, 17);
  row.extent.wanted.m = *rc::gen::inRange<std::uint8_t>(1, 17);
  row.extent.length = *rc::gen::arbitrary<std::uint32_t>();
  row.extent.live_bytes = *rc::gen::arbitrary<std::uint32_t>();
  row.extent.missing = *rc::gen::arbitrary<std::uint32_t>();
  row.extent.nodes.resize(static_cast<std::size_t>(row.extent.profile.shards()));
  for (NodeId& node : row.extent.nodes) node = *rc::gen::arbitrary<std::uint32_t>();
  row.rank = *rc::gen::arbitrary<Rank>();
  row.repair_since_ms = *rc::gen::arbitrary<std::int64_t>();
  row.died_ms = *rc::gen::arbitrary<std::int64_t>();
  return row;
}

}  // namespace hydra::catalog
