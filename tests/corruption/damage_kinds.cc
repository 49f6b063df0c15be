#include "tests/corruption/damage_kinds.h"

#include "base/crc32c.h"

namespace hydra::corruption {

std::string other_content(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  sim::Prng prng(seed);
  prng.fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

namespace {

// An older version of the same shard in the same place, as a write that was lost leaves it. Its
// header is the same; its payload and trailer are valid, and another body's.
void make_stale(DamagedGrid& world, const Object& object, std::size_t index) {
  const Record& record = object.records[index];
  const std::string old = other_content(99 + index, record.header.shard_bytes);
  agent::Trailer trailer;
  const std::string trailer_now =
      world.grid().bytes_at(record.path, record.trailer(), record.trailer_bytes());
  const auto header = agent::encode_record_header(record.header);
  trailer = *agent::decode_trailer(header, record.header.layout.stripes(), as_bytes(trailer_now));
  for (std::uint32_t i = 0; i < trailer.block_crcs.size(); ++i)
    trailer.block_crcs[i] = crc32c(as_bytes(old).subspan(record.header.layout.block_shard_offset(i),
                                                         record.header.layout.block_size(i)));
  std::vector<std::byte> bytes(record.trailer_bytes());
  agent::encode_trailer(header, trailer, bytes);
  auto& disk = world.grid().disk();
  HYDRA_ASSERT(disk.overwrite(record.path, record.header.payload(), as_bytes(old)));
  HYDRA_ASSERT(disk.overwrite(record.path, record.trailer(), bytes));
}

// The neighbour's record in the place of this one, as a misdirected write of another node's or of
// another log's leaves it. It is valid, and belongs elsewhere.
void put_neighbours_record(DamagedGrid& world, const Object& object, std::size_t index) {
  const Record& record = object.records[index];
  const std::string& other = object.images[(index + 1) % object.shards()];
  HYDRA_ASSERT(world.grid().disk().overwrite(
      record.path, record.header.offset,
      as_bytes(other).first(std::min<std::size_t>(other.size(), record.header.record_bytes))));
}

// The record was written 64 bytes too far: over the beginning of what lies behind it.
void shift_record(DamagedGrid& world, const Object& object, std::size_t index) {
  const Record& record = object.records[index];
  HYDRA_ASSERT(world.grid().disk().overwrite(record.path, record.header.offset + 64,
                                             as_bytes(object.images[index])));
}

void put_neighbours_payload(DamagedGrid& world, const Object& object, std::size_t index) {
  const Record& record = object.records[index];
  // With 1+m all payloads are the same: take another body's then.
  const std::string payload = object.k() == 1 ? other_content(5, record.header.shard_bytes)
                                              : object.content((index + 1) % object.shards());
  HYDRA_ASSERT(
      world.grid().disk().overwrite(record.path, record.header.payload(), as_bytes(payload)));
}

std::function<void(DamagedGrid&, const Object&, std::size_t)> cut_at(
    std::function<std::uint64_t(const Record&)> where) {
  return [where = std::move(where)](DamagedGrid& world, const Object& object, std::size_t index) {
    const Record& record = object.records[index];
    HYDRA_ASSERT(world.grid().disk().truncate(record.path, where(record)));
  };
}

std::function<void(DamagedGrid&, const Object&, std::size_t)> zero(
    std::function<std::pair<std::uint64_t, std::uint64_t>(const Record&)> range) {
  return [range = std::move(range)](DamagedGrid& world, const Object& object, std::size_t index) {
    const Record& record = object.records[index];
    const auto [offset, length] = range(record);
    HYDRA_ASSERT(
        world.grid().disk().overwrite(record.path, offset, as_bytes(std::string(length, '\0'))));
  };
}

}  // namespace

std::vector<Kind> kinds() {
  return {
      {"log cut off before the record", cut_at([](const Record& r) { return r.header.offset; })},
      {"log cut off in the header", cut_at([](const Record& r) { return r.header.offset + 70; })},
      {"log cut off in the payload",
       cut_at([](const Record& r) { return r.header.payload() + r.header.shard_bytes / 2; })},
      {"log cut off in the trailer", cut_at([](const Record& r) { return r.trailer() + 44; }),
       false, true},
      {"log empty", cut_at([](const Record&) { return 0; })},
      {"record never written",
       zero([](const Record& r) { return std::pair(r.header.offset, r.header.record_bytes); })},
      {"payload never written",
       zero([](const Record& r) { return std::pair(r.header.payload(), r.header.shard_bytes); })},
      {"a sector of the payload never written", zero([](const Record& r) {
         return std::pair((r.header.payload() + 511) / 512 * 512, std::uint64_t{512});
       })},
      {"trailer never written",
       zero([](const Record& r) { return std::pair(r.trailer(), r.trailer_bytes()); }), false,
       true},
      {"payload of another shard", put_neighbours_payload},
      {"record of another node", put_neighbours_record, false, false, true},
      {"record in another place", shift_record},
      {"older version of the shard", make_stale, true},
  };
}

}  // namespace hydra::corruption
