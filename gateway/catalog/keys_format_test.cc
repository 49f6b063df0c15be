#include "gateway/catalog/keys_format.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/encoding.h"

namespace hydra::catalog {
namespace {

// Few different bytes, and among them those that matter, so that prefixes and equal texts happen.
std::string any_key() {
  return *rc::gen::container<std::string>(
      rc::gen::element('\x00', '\x01', '\x02', '/', 'a', '\xfe', '\xff'));
}

int sign(int n) { return (n > 0) - (n < 0); }

TEST(KeysFormat, WorkedExample) {
  EXPECT_EQ(hex_encode(version_key(3, std::string("a\0b", 3), 5)),
            "21000000000000000361"
            "00ff"
            "62"
            "0001"
            "fffffffffffffffa");
}

RC_GTEST_PROP(KeysFormat, OrderOfKeysIsOrderOfBytes, ()) {
  const std::string a = any_key();
  const std::string b = any_key();
  const int order = sign(a.compare(b));
  RC_ASSERT(sign(current_key(7, a).compare(current_key(7, b))) == order);
  if (order != 0) {
    const auto x = *rc::gen::arbitrary<std::uint64_t>();
    const auto y = *rc::gen::arbitrary<std::uint64_t>();
    RC_ASSERT(sign(version_key(7, a, x).compare(version_key(7, b, y))) == order);
    RC_ASSERT(sign(upload_key(7, a, any_key()).compare(upload_key(7, b, any_key()))) == order);
  }
}

RC_GTEST_PROP(KeysFormat, NewerVersionsOfAKeyComeFirst, ()) {
  const std::string key = any_key();
  const auto older = *rc::gen::inRange<std::uint64_t>(0, UINT64_MAX);
  const auto newer = *rc::gen::inRange<std::uint64_t>(older + 1, UINT64_MAX);
  RC_ASSERT(version_key(1, key, newer) < version_key(1, key, older));
}

RC_GTEST_PROP(KeysFormat, PrefixesOfTextArePrefixesOfKeys, ()) {
  const std::string key = any_key();
  const std::string prefix = *rc::gen::arbitrary<bool>()
                                 ? key.substr(0, *rc::gen::inRange<std::size_t>(0, key.size() + 1))
                                 : any_key();
  const bool expected = key.starts_with(prefix);
  RC_ASSERT(current_key(2, key).starts_with(current_key(2, prefix)) == expected);
  RC_ASSERT(upload_key(2, key, "id").starts_with(uploads_prefix(2, prefix)) == expected);
  RC_ASSERT(version_key(2, key, 9).starts_with(versions_prefix(2, prefix)) == expected);
  RC_ASSERT(version_key(2, key, 9).starts_with(versions_of(2, prefix)) == (key == prefix));
}

RC_GTEST_PROP(KeysFormat, AfterPrefixIsTheLeastKeyBeyondIt, ()) {
  const std::string prefix = "p" + any_key();
  const std::string other = "p" + any_key();
  const std::string after = after_prefix(prefix);
  RC_ASSERT(prefix < after);
  RC_ASSERT((other >= after) == (other > prefix && !other.starts_with(prefix)));
}

RC_GTEST_PROP(KeysFormat, WhatIsEncodedIsParsed, ()) {
  const std::string key = any_key();
  const std::string id = any_key();
  const auto bucket = *rc::gen::arbitrary<std::uint64_t>();
  const std::string of_upload = upload_key(bucket, key, id);
  const auto upload = parse_upload_key(as_bytes(of_upload));
  RC_ASSERT(upload.has_value());
  RC_ASSERT(upload->bucket == bucket);
  RC_ASSERT(upload->key == key);
  RC_ASSERT(upload->upload_id == id);

  const auto version = parse_version_key(as_bytes(version_key(bucket, key, 42)));
  RC_ASSERT(version.has_value());
  RC_ASSERT(version->bucket == bucket);
  RC_ASSERT(version->key == key);
  RC_ASSERT(version->sequence == 42u);

  const auto number = *rc::gen::arbitrary<std::uint32_t>();
  RC_ASSERT(parse_part_key(as_bytes(part_key(id, number))) == number);
  RC_ASSERT(parse_node_key(as_bytes(node_key(number))) == number);
  RC_ASSERT(parse_ring_key(as_bytes(ring_key(bucket))) == bucket);
  RC_ASSERT(parse_outbox_key(as_bytes(outbox_key(bucket))) == bucket);
  RC_ASSERT(parse_snapshot_key(as_bytes(snapshot_key(bucket))) == bucket);

  const auto ms = *rc::gen::arbitrary<std::int64_t>();
  RepairRow repair{.rank = static_cast<Rank>(number), .since_ms = ms};
  const auto parsed = parse_repair_key(as_bytes(repair_key(repair)));
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == repair);
  const auto dead = parse_dead_key(as_bytes(dead_key(ms, ExtentId())));
  RC_ASSERT(dead.has_value());
  RC_ASSERT(dead->died_ms == ms);
  const Stray stray{ms, number, {ExtentId(), static_cast<std::uint8_t>(number)}};
  RC_ASSERT(parse_stray_key(as_bytes(stray_key(stray))) == stray);
  RC_ASSERT(parse_extent_key(as_bytes(extent_key(ExtentId()))) == ExtentId());

  BodyId body;
  body.bytes.fill(std::byte{0xb0});
  const std::string partial = partial_key(body, bucket, number);
  RC_ASSERT(partial.starts_with(partials_of(body)));
  const auto slice = parse_partial_key(as_bytes(partial));
  RC_ASSERT(slice.has_value());
  RC_ASSERT(slice->body == body);
  RC_ASSERT(slice->offset == bucket);
  RC_ASSERT(slice->length == number);
  RC_ASSERT(parse_trim_key(as_bytes(trim_key(body))) == body);
  RC_ASSERT(resident_key(ExtentId(), body).starts_with(residents_of(ExtentId())));
  RC_ASSERT(parse_resident_key(as_bytes(resident_key(ExtentId(), body))) == body);
}

RC_GTEST_PROP(KeysFormat, EarlierTimesComeFirst, ()) {
  const auto a = *rc::gen::arbitrary<std::int64_t>();
  const auto b = *rc::gen::arbitrary<std::int64_t>();
  RC_ASSERT((dead_key(a, ExtentId()) < dead_key(b, ExtentId())) == (a < b));
}

RC_GTEST_PROP(KeysFormat, AnyBytesAreParsedOrRefused, ()) {
  const auto tag =
      *rc::gen::element<std::uint8_t>(0x10, 0x30, 0x31, 0x33, 0x42, 0x43, 0x44, 0x50, 0x60);
  const std::string key = std::string(1, static_cast<char>(tag)) + any_key();
  if (const auto upload = parse_upload_key(as_bytes(key)))
    RC_ASSERT(upload_key(upload->bucket, upload->key, upload->upload_id) == key);
  if (const auto completed = parse_completed_by_time_key(as_bytes(key)))
    RC_ASSERT(completed_by_time_key(completed->completed_ms, completed->upload_id) == key);
  if (const auto repair = parse_repair_key(as_bytes(key))) RC_ASSERT(repair_key(*repair) == key);
  if (const auto stray = parse_stray_key(as_bytes(key))) RC_ASSERT(stray_key(*stray) == key);
  parse_part_key(as_bytes(key));
  parse_bucket_key(as_bytes(key));
  parse_ring_key({});
}

}  // namespace
}  // namespace hydra::catalog
