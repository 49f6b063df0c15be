#include <gmock/gmock.h>

#include "base/encoding.h"
#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kFullPart = 5u << 20;

std::string md5_hex(std::string_view text) {
  return hex_encode(digest_of(DigestKind::kMd5, as_bytes(text)));
}

class UploadsTest : public CatalogTest {
 protected:
  Upload begin(std::string key, std::string id) {
    Upload upload{.bucket = bucket_,
                  .key = std::move(key),
                  .upload_id = std::move(id),
                  .initiated_ms = catalog_.loop().wall_ms(),
                  .owner = {"owner", "Owner"},
                  .fields = {{"content-type", "video/mp4"}}};
    EXPECT_TRUE(create(upload));
    return upload;
  }
  Status create(const Upload& upload) {
    return catalog_.wait([&](Loop& loop) { return catalog_->create_upload(loop, upload); });
  }
  // A part whose etag is the MD5 of `content`, of whatever size it pretends to have.
  Part put_part(const Upload& upload, std::uint32_t number, std::string_view content,
                std::uint64_t bytes, std::optional<Checksum> checksum = {}) {
    auto sealed = catalog_.seal(bytes);
    Part part{.number = number,
              .etag = md5_hex(content),
              .bytes = bytes,
              .modified_ms = catalog_.loop().wall_ms(),
              .checksum = std::move(checksum),
              .slices = {sealed.slice}};
    EXPECT_TRUE(try_put_part(upload, part, sealed.data));
    return part;
  }
  Status try_put_part(const Upload& upload, const Part& part, const NewData& data) {
    return catalog_.wait([&](Loop& loop) { return catalog_->put_part(loop, upload, part, data); });
  }
  Result<Version> complete(const Upload& upload, CompleteRequest request) {
    request.now_ms = catalog_.loop().wall_ms();
    return catalog_.wait([&](Loop& loop) {
      return catalog_->complete_upload(loop, upload.bucket, upload.key, upload.upload_id, request);
    });
  }
  Status abort(const Upload& upload) {
    return catalog_.wait([&](Loop& loop) {
      return catalog_->abort_upload(loop, upload.bucket, upload.key, upload.upload_id,
                                    loop.wall_ms());
    });
  }
  static CompletedPart named(const Part& part) { return {part.number, part.etag, part.checksum}; }
  static CompleteRequest of(const std::vector<Part>& parts) {
    CompleteRequest request;
    for (const Part& part : parts) request.parts.push_back({part.number, part.etag, {}});
    return request;
  }
  void pass(Nanos duration) {
    catalog_.wait([=](Loop& loop) -> Task<void> { co_await sleep_for(loop, duration); });
  }

  BucketId bucket_ = catalog_.make_bucket("b").id;
};
INSTANTIATE_TEST_SUITE_P(Stores, UploadsTest, testing::ValuesIn(kv::kBackends), kv::backend_name);

TEST_P(UploadsTest, PartsBecomeAnObjectWithoutMovingData) {
  const Upload upload = begin("movie", "u1");
  const Part second = put_part(upload, 7, "second", 100);
  const Part first = put_part(upload, 2, "first", kFullPart);
  const auto extents = catalog_.totals().extents;
  const auto version = complete(upload, of({first, second}));
  ASSERT_TRUE(version) << version.error().to_string();
  const std::string digests = digest_of(DigestKind::kMd5, as_bytes("first")) +
                              digest_of(DigestKind::kMd5, as_bytes("second"));
  EXPECT_EQ(version->etag, md5_hex(digests) + "-2");

  const auto object = catalog_->object(bucket_, "movie");
  ASSERT_TRUE(object);
  EXPECT_EQ(object->etag, version->etag);
  EXPECT_EQ(object->bytes, kFullPart + 100);
  EXPECT_EQ(object->fields, upload.fields);
  EXPECT_EQ(object->slices, (std::vector<Slice>{first.slices[0], second.slices[0]}));
  ASSERT_THAT(object->parts, SizeIs(2));
  EXPECT_EQ(object->parts[1].number, 7u);
  EXPECT_EQ(object->parts[1].bytes, 100u);
  EXPECT_EQ(catalog_.totals().extents, extents);
  EXPECT_EQ(catalog_.totals().uploads, 0u);
  EXPECT_EQ(code_of(catalog_->upload(bucket_, "movie", "u1")), Code::kNoSuchUpload);
  EXPECT_THAT(catalog_->parts("u1", 0, 10)->parts, IsEmpty());
  catalog_.expect_sound();
  ASSERT_TRUE(catalog_.erase(bucket_, "movie"));
  EXPECT_EQ(catalog_.totals().extents, 0u);
  catalog_.expect_sound();
}

TEST_P(UploadsTest, PartsThatAreNotNamedAreFreed) {
  const Upload upload = begin("k", "u1");
  put_part(upload, 1, "a", 10);
  const Part named = put_part(upload, 2, "b", 10);
  put_part(upload, 3, "c", 10);
  ASSERT_TRUE(complete(upload, of({named})));
  EXPECT_EQ(catalog_.totals().extents, 1u);
  EXPECT_EQ(catalog_.totals().dead_extents, 2u);
  catalog_.expect_sound();
}

TEST_P(UploadsTest, ARepeatedPartReplacesTheOlder) {
  const Upload upload = begin("k", "u1");
  const Part older = put_part(upload, 1, "older", 10);
  const Part newer = put_part(upload, 1, "newer", 20);
  EXPECT_EQ(catalog_.totals().dead_extents, 1u);
  catalog_.expect_sound();
  EXPECT_EQ(code_of(complete(upload, of({older}))), Code::kInvalidPart);
  EXPECT_EQ(complete(upload, of({newer}))->bytes, 20u);
}

TEST_P(UploadsTest, CompletionChecksTheListOfParts) {
  const Upload upload = begin("k", "u1");
  const Part small = put_part(upload, 1, "a", kFullPart - 1);
  const Part full = put_part(upload, 2, "b", kFullPart);
  const Part last = put_part(upload, 3, "c", 1);
  const auto before = catalog_.rows();
  EXPECT_EQ(code_of(complete(upload, {})), Code::kMalformedXml);
  EXPECT_EQ(code_of(complete(upload, of({last, full}))), Code::kInvalidPartOrder);
  EXPECT_EQ(code_of(complete(upload, of({full, full}))), Code::kInvalidPartOrder);
  EXPECT_EQ(code_of(complete(upload, of({small, full, last}))), Code::kEntityTooSmall);
  EXPECT_EQ(code_of(complete(upload, of({full, {.number = 9, .etag = last.etag}}))),
            Code::kInvalidPart);
  EXPECT_EQ(code_of(complete(upload, of({{.number = 2, .etag = "other"}, last}))),
            Code::kInvalidPart);
  CompleteRequest wrong_size = of({full, last});
  wrong_size.object_bytes = kFullPart;
  EXPECT_EQ(code_of(complete(upload, wrong_size)), Code::kInvalidRequest);
  EXPECT_EQ(catalog_.rows(), before);
  CompleteRequest right_size = of({full, last});
  right_size.object_bytes = kFullPart + 1;
  EXPECT_TRUE(complete(upload, right_size));
}

TEST_P(UploadsTest, CompletionTakesPreconditions) {
  catalog_.put(bucket_, "k");
  const Upload upload = begin("k", "u1");
  CompleteRequest request = of({put_part(upload, 1, "a", 10)});
  request.preconditions.if_none_match = "*";
  EXPECT_EQ(code_of(complete(upload, request)), Code::kPreconditionFailed);
  EXPECT_TRUE(catalog_->upload(bucket_, "k", "u1"));  // it may be tried again
  request.preconditions = {.if_match = catalog_->head(bucket_, "k")->etag};
  EXPECT_TRUE(complete(upload, request));
  EXPECT_EQ(catalog_.totals().objects, 1u);
  EXPECT_EQ(catalog_.totals().dead_extents, 1u);
  catalog_.expect_sound();
}

TEST_P(UploadsTest, RepeatingACompletionReturnsTheSameVersion) {
  const Upload upload = begin("k", "u1");
  const CompleteRequest request = of({put_part(upload, 1, "a", 10)});
  const auto first = complete(upload, request);
  ASSERT_TRUE(first);
  catalog_.put(bucket_, "k");  // even though another object took its place
  const auto before = catalog_.rows();
  const auto again = complete(upload, request);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->etag, first->etag);
  EXPECT_EQ(again->modified_ms, first->modified_ms);
  EXPECT_EQ(catalog_.rows(), before);
  Upload elsewhere = upload;
  elsewhere.key = "other";
  EXPECT_EQ(code_of(complete(elsewhere, request)), Code::kNoSuchUpload);
  EXPECT_EQ(code_of(abort(upload)), Code::kNoSuchUpload);
}

TEST_P(UploadsTest, OldCompletionsAreForgotten) {
  std::vector<Upload> uploads;
  CompleteRequest request;
  for (int i = 0; i < 6; ++i) {
    uploads.push_back(begin("k", "u" + std::to_string(i)));
    request = of({put_part(uploads.back(), 1, "a", 10)});
    ASSERT_TRUE(complete(uploads.back(), request));
  }
  pass(13 * 3600 * kSecond);
  pass(13 * 3600 * kSecond);
  begin("k", "later");
  EXPECT_EQ(code_of(complete(uploads[0], request)), Code::kNoSuchUpload);
  EXPECT_TRUE(complete(uploads[5], request));
  begin("k", "latest");
  EXPECT_EQ(code_of(complete(uploads[5], request)), Code::kNoSuchUpload);
  catalog_.expect_sound();
}

TEST_P(UploadsTest, CompositeChecksumsAreOfThePartsChecksums) {
  Upload upload{.bucket = bucket_, .key = "k", .upload_id = "u1"};
  upload.checksum_kind = DigestKind::kSha256;
  upload.checksum_type = ChecksumType::kComposite;
  ASSERT_TRUE(create(upload));
  const auto sha = [](std::string_view text) {
    return Checksum{DigestKind::kSha256, ChecksumType::kFullObject,
                    digest_of(DigestKind::kSha256, as_bytes(text))};
  };
  const Part first = put_part(upload, 1, "first", kFullPart, sha("first"));
  const Part second = put_part(upload, 2, "second", 6, sha("second"));
  const Checksum whole{
      DigestKind::kSha256, ChecksumType::kComposite,
      digest_of(DigestKind::kSha256, as_bytes(sha("first").value + sha("second").value))};
  CompleteRequest request{.parts = {named(first), named(second)}};
  request.parts[1].checksum = sha("other");
  EXPECT_EQ(code_of(complete(upload, request)), Code::kInvalidPart);
  request.parts[1].checksum = sha("second");
  request.checksum = sha("anything");
  EXPECT_EQ(code_of(complete(upload, request)), Code::kBadDigest);
  request.checksum = whole;
  const auto version = complete(upload, request);
  ASSERT_TRUE(version);
  EXPECT_EQ(version->checksum, whole);
  EXPECT_EQ(catalog_->head(bucket_, "k")->parts[0].checksum, sha("first"));
}

TEST_P(UploadsTest, FullObjectChecksumsAreCombined) {
  const std::string head(kFullPart, 'x');
  const std::string tail = "the end";
  for (const DigestKind kind : {DigestKind::kCrc32, DigestKind::kCrc32c, DigestKind::kCrc64Nvme}) {
    Upload upload{.bucket = bucket_, .key = "k", .upload_id = "u"};
    upload.checksum_kind = kind;
    upload.checksum_type = ChecksumType::kFullObject;
    upload.upload_id += std::to_string(static_cast<int>(kind));
    ASSERT_TRUE(create(upload));
    const auto crc = [kind](std::string_view text) {
      return Checksum{kind, ChecksumType::kFullObject, digest_of(kind, as_bytes(text))};
    };
    CompleteRequest request = of({put_part(upload, 1, "a", head.size(), crc(head)),
                                  put_part(upload, 2, "b", tail.size(), crc(tail))});
    request.checksum = crc(head + tail);
    const auto version = complete(upload, request);
    ASSERT_TRUE(version) << version.error().to_string();
    EXPECT_EQ(version->checksum, crc(head + tail));
  }
}

TEST_P(UploadsTest, ChecksumsThatCannotBeMadeAreRefused) {
  Upload upload{.bucket = bucket_, .key = "k", .upload_id = "u1"};
  upload.checksum_kind = DigestKind::kCrc32;
  ASSERT_TRUE(create(upload));
  EXPECT_EQ(code_of(complete(upload, of({put_part(upload, 1, "a", 10)}))), Code::kInvalidRequest);

  const Upload plain = begin("k", "u2");
  CompleteRequest request = of({put_part(plain, 1, "a", 10)});
  request.checksum = Checksum{DigestKind::kCrc32, ChecksumType::kFullObject, "abcd"};
  EXPECT_EQ(code_of(complete(plain, request)), Code::kInvalidRequest);
}

TEST_P(UploadsTest, AbortingFreesEveryPart) {
  const Upload upload = begin("k", "u1");
  put_part(upload, 1, "a", 10);
  put_part(upload, 2, "b", 10);
  ASSERT_TRUE(abort(upload));
  EXPECT_EQ(catalog_.totals().uploads, 0u);
  EXPECT_EQ(catalog_.totals().dead_extents, 2u);
  catalog_.expect_sound();
  EXPECT_EQ(code_of(abort(upload)), Code::kNoSuchUpload);
  EXPECT_EQ(code_of(complete(upload, {})), Code::kNoSuchUpload);
  auto late = catalog_.seal(10);
  EXPECT_EQ(code_of(try_put_part(upload, {.number = 1, .slices = {late.slice}}, late.data)),
            Code::kNoSuchUpload);
  catalog_.expect_sound();
}

TEST_P(UploadsTest, PartsMayBeCopiedFromObjects) {
  const Version source = catalog_.put(bucket_, "source", 1000);
  const Upload upload = begin("k", "u1");
  Part part{.number = 1, .etag = md5_hex("x"), .bytes = 500, .slices = source.slices};
  part.slices[0].offset = 250;
  part.slices[0].length = 500;
  ASSERT_TRUE(try_put_part(upload, part, {}));
  ASSERT_TRUE(catalog_.erase(bucket_, "source"));
  catalog_.expect_sound();
  ASSERT_TRUE(complete(upload, of({part})));
  EXPECT_EQ(catalog_->object(bucket_, "k")->slices, part.slices);
  EXPECT_EQ(catalog_.totals().dead_extents, 0u);
  catalog_.expect_sound();
}

TEST_P(UploadsTest, PartNumbersAndIdsAreChecked) {
  const Upload upload = begin("k", "u1");
  EXPECT_EQ(code_of(try_put_part(upload, {.number = 0}, {})), Code::kInvalidPartNumber);
  EXPECT_EQ(code_of(try_put_part(upload, {.number = 10'001}, {})), Code::kInvalidPartNumber);
  EXPECT_EQ(code_of(create(upload)), Code::kAlreadyExists);
  EXPECT_EQ(code_of(catalog_->upload(bucket_, "k", std::string(5000, 'u'))), Code::kNoSuchUpload);
  EXPECT_EQ(code_of(catalog_->upload(bucket_, "other", "u1")), Code::kNoSuchUpload);
  Upload nowhere = upload;
  nowhere.bucket = 99;
  EXPECT_EQ(code_of(create(nowhere)), Code::kNoSuchBucket);
}

TEST_P(UploadsTest, PartsAreListedInPages) {
  const Upload upload = begin("k", "u1");
  begin("k", "u10");  // a neighbour
  for (const std::uint32_t number : {300u, 1u, 2u, 10'000u}) put_part(upload, number, "x", 10);
  const auto page = catalog_->parts("u1", 1, 2);
  ASSERT_TRUE(page);
  ASSERT_THAT(page->parts, SizeIs(2));
  EXPECT_EQ(page->parts[0].number, 2u);
  EXPECT_EQ(page->parts[1].number, 300u);
  EXPECT_EQ(page->parts[1].bytes, 10u);
  EXPECT_THAT(page->parts[1].slices, IsEmpty());
  EXPECT_TRUE(page->truncated);
  EXPECT_EQ(page->next_marker, 300u);
  const auto rest = catalog_->parts("u1", page->next_marker, 2);
  EXPECT_THAT(rest->parts, SizeIs(1));
  EXPECT_FALSE(rest->truncated);
  EXPECT_THAT(catalog_->parts("u1", UINT32_MAX, 2)->parts, IsEmpty());
}

TEST_P(UploadsTest, UploadsAreListedByKeyThenId) {
  for (const auto& [key, id] :
       std::vector<std::pair<std::string, std::string>>{{"a/1", "x"},
                                                        {"a/2", "x"},
                                                        {"b", "2"},
                                                        {"b", "1"},
                                                        {"b", "3"},
                                                        {"c", "x"},
                                                        {std::string("b\0", 2), "x"}})
    begin(key, id);
  const auto names = [&](const UploadListRequest& request) {
    std::vector<std::string> out;
    const auto page = catalog_->uploads(bucket_, request);
    for (const Upload& upload : page->uploads) out.push_back(upload.key + ":" + upload.upload_id);
    for (const std::string& prefix : page->common_prefixes) out.push_back("P:" + prefix);
    if (page->truncated)
      out.push_back("> " + page->next_key_marker + ":" + page->next_upload_id_marker);
    return out;
  };
  const std::string b_zero("b\0", 2);
  EXPECT_THAT(names({}), ElementsAre("a/1:x", "a/2:x", "b:1", "b:2", "b:3", b_zero + ":x", "c:x"));
  EXPECT_THAT(names({.prefix = "b"}), ElementsAre("b:1", "b:2", "b:3", b_zero + ":x"));
  EXPECT_THAT(names({.delimiter = "/", .limit = 2}), ElementsAre("b:1", "P:a/", "> b:1"));
  EXPECT_THAT(names({.delimiter = "/", .limit = 1}), ElementsAre("P:a/", "> a/:"));
  EXPECT_THAT(names({.delimiter = "/", .key_marker = "a/", .limit = 1}),
              ElementsAre("b:1", "> b:1"));
  EXPECT_THAT(names({.key_marker = "b", .upload_id_marker = "1"}),
              ElementsAre("b:2", "b:3", b_zero + ":x", "c:x"));
  EXPECT_THAT(names({.key_marker = "b"}), ElementsAre(b_zero + ":x", "c:x"));
  EXPECT_THAT(names({.key_marker = "b", .upload_id_marker = "2", .limit = 1}),
              ElementsAre("b:3", "> b:3"));
  EXPECT_THAT(names({.limit = 0}), IsEmpty());
  EXPECT_EQ(catalog_->upload(bucket_, b_zero, "x")->fields.size(), 1u);
}

TEST_P(UploadsTest, DeletingABucketAbortsItsUploads) {
  const auto remove = [&] {
    return catalog_.wait([&](Loop& loop) { return catalog_->delete_bucket(loop, "b"); });
  };
  for (int i = 0; i < 250; ++i) {
    const Upload upload = begin("k" + std::to_string(i), "u" + std::to_string(i));
    if (i % 10 == 0) put_part(upload, 1, "x", 10);
  }
  catalog_.put(bucket_, "in the way");
  EXPECT_EQ(code_of(remove()), Code::kBucketNotEmpty);
  EXPECT_EQ(catalog_.totals().uploads, 250u);  // a refusal aborts nothing
  ASSERT_TRUE(catalog_.erase(bucket_, "in the way"));
  ASSERT_TRUE(remove());
  EXPECT_EQ(catalog_.totals().uploads, 0u);
  EXPECT_EQ(catalog_.totals().extents, 0u);
  catalog_.expect_sound();
}

}  // namespace
}  // namespace hydra::catalog
