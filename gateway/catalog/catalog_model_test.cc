// Random operations, several at a time, against a plain model of what a catalog means; every few of
// them the whole catalog is recounted and compared.

#include <gmock/gmock.h>

#include <random>

#include "base/encoding.h"
#include "gateway/catalog/catalog_harness.h"

namespace hydra::catalog {
namespace {

struct ModelVersion {
  std::string etag;
  std::uint64_t bytes = 0;
  std::vector<Slice> slices;
  bool null = true;
  bool delete_marker = false;
  std::string id = {};  // empty until it is learnt from a listing
};
using ModelVersions = std::vector<ModelVersion>;  // of a key, newest first; never empty
struct ModelUpload {
  std::string key;
  std::map<std::uint32_t, Part> parts;
};
struct ModelBucket {
  BucketId id = 0;
  Versioning versioning = Versioning::kOff;
  std::map<std::string, ModelVersions> keys;
  std::map<std::string, ModelUpload> uploads;

  const ModelVersion* newest(const std::string& key) const {
    const auto found = keys.find(key);
    return found == keys.end() ? nullptr : &found->second.front();
  }
  const ModelVersion* current(const std::string& key) const {
    const ModelVersion* version = newest(key);
    return version == nullptr || version->delete_marker ? nullptr : version;
  }
  void insert(const std::string& key, ModelVersion version) {
    ModelVersions& versions = keys[key];
    version.null = versioning != Versioning::kEnabled;
    if (version.null) std::erase_if(versions, [](const ModelVersion& old) { return old.null; });
    versions.insert(versions.begin(), std::move(version));
  }
  void erase(const std::string& key) {
    if (versioning == Versioning::kOff)
      keys.erase(key);
    else
      insert(key, {.delete_marker = true});
  }
};
using Model = std::map<std::string, ModelBucket>;

Code decide(const Preconditions& preconditions, const ModelVersion* object) {
  if (preconditions.if_match) {
    if (object == nullptr) return Code::kNoSuchKey;
    if (*preconditions.if_match != "*" && *preconditions.if_match != object->etag)
      return Code::kPreconditionFailed;
  }
  if (preconditions.if_none_match && object != nullptr &&
      (*preconditions.if_none_match == "*" || *preconditions.if_none_match == object->etag))
    return Code::kPreconditionFailed;
  return Code{};
}

template <typename T>
Task<Code> to_code(Task<Result<T>> task) {
  const auto result = co_await task;
  co_return code_of(result);
}

// The image of the memory store, so that its commits can be made to fail.
class ImagePlace final : public kv::Place {
 public:
  explicit ImagePlace(std::shared_ptr<kv::MemoryImage> image) : image_(std::move(image)) {}
  std::unique_ptr<kv::Store> open(kv::Options options) override {
    return kv::open_memory(image_, options);
  }

 private:
  std::shared_ptr<kv::MemoryImage> image_;
};

class Player {
 public:
  Player(std::unique_ptr<kv::Place> place, std::uint64_t seed)
      : random_(seed), catalog_(std::move(place), seed) {}

  // Some operations at the same time. Each is decided by the model in the order of their start.
  void play_some(kv::MemoryImage* image) {
    learn_ids();
    const Model before = model_;
    failing_ = image != nullptr && one_in(4);
    if (failing_) image->fail_commits(1, Code::kNoSpace);
    tasks_.clear();
    expected_.clear();
    for (std::size_t n = 1 + below(5); n > 0; --n) play_one();
    const auto codes = catalog_.wait_all(std::exchange(tasks_, {}));
    if (!failing_) {
      EXPECT_EQ(codes, expected_);
      return;
    }
    image->fail_commits(0, Code::kNoSpace);
    // Without a change there was no commit that could fail.
    if (codes == expected_) return;
    EXPECT_THAT(codes, testing::Each(Code::kNoSpace));
    model_ = before;
  }

  void compare() {
    learn_ids();
    catalog_.expect_sound();
    std::size_t objects = 0, uploads = 0;
    for (auto& [name, bucket] : model_) {
      EXPECT_EQ(catalog_->bucket(name)->id, bucket.id);
      compare_objects(bucket);
      compare_uploads(bucket);
      for (const auto& [key, versions] : bucket.keys) objects += bucket.current(key) != nullptr;
      uploads += bucket.uploads.size();
    }
    EXPECT_EQ(catalog_.totals().objects, objects);
    EXPECT_EQ(catalog_.totals().uploads, uploads);
    EXPECT_EQ(catalog_.totals().buckets, model_.size());
  }

  void reopen() { catalog_.reopen(); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  std::size_t compactions() const { return compactions_; }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }

  template <typename T>
  void expect(Code code, Task<Result<T>> task) {
    expected_.push_back(code);
    tasks_.push_back(to_code(std::move(task)));
  }

  void play_one() {
    const std::string name = one_in(2) ? "first" : "second";
    if (!model_.contains(name)) {
      if (!failing_) create_bucket(name);
      return;
    }
    ModelBucket& bucket = model_[name];
    switch (below(16)) {
      case 15:
        return expect(Code{}, catalog_->trim_bodies(catalog_.loop(), 1 + below(3)));
      case 12:
        return one_in(4) ? change_versioning(bucket) : erase(bucket);
      case 13:
      case 14:
        return erase_version(bucket);
      case 0:
        return one_in(4) && !failing_ ? delete_bucket(name) : begin_upload(bucket);
      case 1:
      case 2:
      case 3:
        return put(bucket, new_slices());
      case 4:
        return put(bucket, {copied_slices(), {}});
      case 5:
      case 6:
        return erase(bucket);
      case 7:
        return begin_upload(bucket);
      case 8:
      case 9:
        return put_part(bucket);
      case 10:
        return complete(bucket);
      default:
        return one_in(3) || failing_ ? abort(bucket) : update_extent();
    }
  }

  // Ends what was started before an operation that has to be alone.
  void finish_started() {
    EXPECT_EQ(catalog_.wait_all(std::exchange(tasks_, {})), expected_);
    expected_.clear();
  }

  void create_bucket(const std::string& name) {
    finish_started();
    ModelBucket bucket;
    bucket.id = catalog_.make_bucket(name).id;
    model_[name] = bucket;
  }

  void delete_bucket(const std::string& name) {
    const bool empty = model_[name].keys.empty();
    expect(empty ? Code{} : Code::kBucketNotEmpty, catalog_->delete_bucket(catalog_.loop(), name));
    // It goes in several steps, so nothing else may come between.
    finish_started();
    if (empty) model_.erase(name);
  }

  struct Data {
    std::vector<Slice> slices;
    NewData data;
  };

  // One or two bodies, each in extents of its own or packed with others into one.
  Data new_slices() {
    Data out;
    if (one_in(10)) return out;
    for (std::size_t n = 1 + below(2); n > 0; --n) {
      auto sealed = catalog_.seal(1 + below(500'000), one_in(3) ? 150'000 : 64u << 20);
      out.slices.push_back(sealed.slice);
      for (Extent& extent : sealed.data.extents) {
        if (one_in(4)) extent.missing = static_cast<std::uint32_t>(1 + below(7));
        if (one_in(8)) extent.wanted = {4, 2};
        out.data.extents.push_back(extent);
      }
      out.data.bodies.push_back(sealed.data.bodies[0]);
    }
    if (one_in(3)) pack(out);
    for (const Body& body : out.data.bodies) original_[body.id] = body.pieces;
    return out;
  }
  void pack(Data& out) {
    Extent shared = catalog_.new_extent(0);
    for (Body& body : out.data.bodies)
      for (BodyPiece& piece : body.pieces) {
        piece.extent = shared.id;
        piece.offset = shared.length;
        shared.length += piece.length;
      }
    out.data.extents = {shared};
  }

  // A key of the bucket, which has one, and one of its versions.
  std::pair<std::string, const ModelVersion*> any_version(const ModelBucket& bucket) {
    const auto& [key, versions] =
        *std::next(bucket.keys.begin(), static_cast<std::ptrdiff_t>(below(bucket.keys.size())));
    return {key, &versions[below(versions.size())]};
  }
  const ModelVersion* any_object() {
    for (auto& [name, bucket] : model_)
      if (!bucket.keys.empty() && one_in(2)) return any_version(bucket).second;
    return nullptr;
  }
  // Of an object, each slice cut at random. Empty where there is none.
  std::vector<Slice> copied_slices() {
    const ModelVersion* source = any_object();
    std::vector<Slice> slices = source != nullptr ? source->slices : std::vector<Slice>();
    for (Slice& slice : slices) {
      const std::uint64_t cut = one_in(3) ? 0 : below(slice.length);
      slice.offset += cut;
      slice.length -= cut;
      if (one_in(2)) slice.length = 1 + below(slice.length);
    }
    return slices;
  }

  std::string any_key() {
    static const std::string kKeys[] = {"a",    "a/b",  "a/c", std::string("a\0", 2),
                                        "\xff", "long", "b",   std::string(1024, 'x')};
    return kKeys[below(std::size(kKeys))];
  }
  Preconditions any_preconditions(const ModelVersion* object) {
    Preconditions out;
    const std::string etag = object != nullptr && one_in(2) ? object->etag : "no such etag";
    if (one_in(6)) out.if_match = one_in(2) ? "*" : etag;
    if (one_in(6)) out.if_none_match = one_in(2) ? "*" : etag;
    return out;
  }
  void put(ModelBucket& bucket, Data data) {
    const std::string key = any_key();
    const Version version = catalog_.new_version(key, data.slices);
    const Preconditions preconditions = any_preconditions(bucket.current(key));
    const Code code = decide(preconditions, bucket.current(key));
    expect(code,
           catalog_->put_object(catalog_.loop(), bucket.id, version, data.data, preconditions));
    if (code == Code{}) bucket.insert(key, {version.etag, version.bytes, version.slices});
  }

  void erase(ModelBucket& bucket) {
    const std::string key = any_key();
    const Preconditions preconditions = any_preconditions(bucket.newest(key));
    const Code code = decide(preconditions, bucket.newest(key));
    expect(code, catalog_->delete_object(catalog_.loop(), bucket.id, {key, preconditions},
                                         catalog_.loop().wall_ms()));
    if (code == Code{}) bucket.erase(key);
  }

  // One that a listing showed before this turn, be it there still or not, or one that never was.
  void erase_version(ModelBucket& bucket) {
    if (shown_.empty() || one_in(10)) shown_.push_back({any_key(), std::string(32, '7')});
    const auto [key, id] = shown_[below(shown_.size())];
    ModelVersion* version = nullptr;
    if (const auto found = bucket.keys.find(key); found != bucket.keys.end())
      for (ModelVersion& candidate : found->second)
        if (candidate.null ? id == kNullVersionId : id == candidate.id) version = &candidate;
    const Preconditions preconditions = any_preconditions(version);
    const Code code = decide(preconditions, version);
    expect(code, catalog_->delete_object(catalog_.loop(), bucket.id, {key, preconditions, id},
                                         catalog_.loop().wall_ms()));
    if (code != Code{} || version == nullptr) return;
    ModelVersions& versions = bucket.keys[key];
    versions.erase(versions.begin() + (version - versions.data()));
    if (versions.empty()) bucket.keys.erase(key);
  }

  void change_versioning(ModelBucket& bucket) {
    bucket.versioning = one_in(3) ? Versioning::kSuspended : Versioning::kEnabled;
    expect(Code{}, catalog_->set_versioning(catalog_.loop(), bucket.id, bucket.versioning));
  }

  void begin_upload(ModelBucket& bucket) {
    Upload upload{.bucket = bucket.id, .key = any_key()};
    upload.upload_id = "upload-" + std::to_string(++last_upload_);
    expect(Code{}, catalog_->create_upload(catalog_.loop(), upload));
    bucket.uploads[upload.upload_id] = {upload.key, {}};
  }
  // An upload of the bucket, or one that never was.
  std::string any_upload(const ModelBucket& bucket) {
    if (bucket.uploads.empty() || one_in(10)) return "unknown";
    return std::next(bucket.uploads.begin(),
                     static_cast<std::ptrdiff_t>(below(bucket.uploads.size())))
        ->first;
  }

  void put_part(ModelBucket& bucket) {
    const std::string id = any_upload(bucket);
    const bool known = bucket.uploads.contains(id);
    const Upload upload{
        .bucket = bucket.id, .key = known ? bucket.uploads[id].key : "k", .upload_id = id};
    const bool copy = one_in(4);
    const Data data = copy ? Data{copied_slices(), {}} : new_slices();
    Part part{.number = static_cast<std::uint32_t>(1 + below(3)), .slices = data.slices};
    part.etag = hex_encode(digest_of(DigestKind::kMd5, as_bytes(std::to_string(random_()))));
    for (const Slice& slice : part.slices) part.bytes += slice.length;
    expect(known ? Code{} : Code::kNoSuchUpload,
           catalog_->put_part(catalog_.loop(), upload, part, data.data));
    if (known) bucket.uploads[id].parts[part.number] = part;
  }

  // One part is named, as the parts here are smaller than two of a list may be.
  void complete(ModelBucket& bucket) {
    const std::string id = any_upload(bucket);
    const bool known = bucket.uploads.contains(id);
    const ModelUpload upload = known ? bucket.uploads[id] : ModelUpload{"k", {}};
    CompleteRequest request{.preconditions = any_preconditions(bucket.current(upload.key)),
                            .now_ms = catalog_.loop().wall_ms()};
    Code code =
        known ? decide(request.preconditions, bucket.current(upload.key)) : Code::kNoSuchUpload;
    const auto number = static_cast<std::uint32_t>(1 + below(3));
    const auto part = upload.parts.find(number);
    request.parts = {{number, part == upload.parts.end() ? "" : part->second.etag, {}}};
    if (known && part == upload.parts.end()) code = Code::kInvalidPart;
    expect(code, catalog_->complete_upload(catalog_.loop(), bucket.id, upload.key, id, request));
    if (code != Code{}) return;
    const std::string etag =
        hex_encode(digest_of(DigestKind::kMd5, as_bytes(*hex_decode(part->second.etag)))) + "-1";
    bucket.insert(upload.key, {etag, part->second.bytes, part->second.slices});
    bucket.uploads.erase(id);
  }

  void abort(ModelBucket& bucket) {
    const std::string id = any_upload(bucket);
    const bool known = bucket.uploads.contains(id);
    expect(known ? Code{} : Code::kNoSuchUpload,
           catalog_->abort_upload(catalog_.loop(), bucket.id, known ? bucket.uploads[id].key : "k",
                                  id, catalog_.loop().wall_ms()));
    bucket.uploads.erase(id);
  }

  // Heals some of what is first in the queue, in the healer's ways, and forgets some of the dead.
  void update_extent() {
    finish_started();
    const auto repairs = catalog_->repairs(2);
    for (const RepairRow& repair : *repairs) {
      const Extent extent = *catalog_->extent(repair.extent);
      Extent healed = extent;
      if (one_in(3)) {
        healed.stored_as = catalog_.new_id<ExtentId>();
        healed.profile = healed.wanted;
        healed.missing = 0;
        healed.nodes.clear();
        while (healed.nodes.size() < static_cast<std::size_t>(healed.profile.shards()))
          healed.nodes.push_back(static_cast<NodeId>(1 + below(1000)));
      } else {
        healed.missing &= healed.missing - 1;
        if (one_in(2)) healed.wanted = healed.profile;
        healed.nodes[below(healed.nodes.size())] = static_cast<NodeId>(1 + below(1000));
      }
      const ExtentUpdate terms{.strays_due_ms = static_cast<std::int64_t>(below(100)),
                               .still = any_rank()};
      expect(Code{}, catalog_->update_extent(catalog_.loop(), extent, healed, terms));
    }
    compact_some();
    disturb_extents();
    std::vector<ExtentId> dead;
    const auto gone = catalog_->dead_extents(INT64_MAX, 3);
    for (const DeadExtent& extent : *gone) dead.push_back(extent.extent.id);
    expect(Code{}, catalog_->forget_dead(catalog_.loop(), dead));
    expect(Code{}, catalog_->forget_strays(catalog_.loop(), *catalog_->strays(50, 3)));
  }
  // Whatever else they need.
  void compact_some() {
    const auto page = catalog_->walk_extents(std::nullopt, SIZE_MAX);
    for (const auto& item : page->items)
      if (item.extent.half_dead() && one_in(2)) compact(item.extent.id);
  }
  void compact(const ExtentId& id) {
    const LiveExtent live = *catalog_->live_extent(id);
    Extent into = catalog_.new_extent(0);
    for (const ExtentRange& range : live.ranges) into.length += range.length;
    EXPECT_LE(into.length, live.extent.length / 2);
    expect(Code{}, catalog_->compact_extent(catalog_.loop(), id, live.ranges, into));
    moves_[into.id] = {id, live.ranges};
    ++compactions_;
  }
  // Where a byte of an extent lay when its body was written.
  std::pair<ExtentId, std::uint64_t> origin(ExtentId extent, std::uint64_t offset) const {
    for (auto move = moves_.find(extent); move != moves_.end(); move = moves_.find(extent)) {
      for (const ExtentRange& range : move->second.second) {
        if (offset < range.length) {
          offset += range.offset;
          break;
        }
        offset -= range.length;
      }
      extent = move->second.first;
    }
    return {extent, offset};
  }
  static std::pair<ExtentId, std::uint64_t> at(const std::vector<BodyPiece>& pieces,
                                               std::uint64_t offset) {
    for (const BodyPiece& piece : pieces) {
      if (offset < piece.length) return {piece.extent, piece.offset + offset};
      offset -= piece.length;
    }
    return {};
  }
  // What a body still has is what it was made of, wherever it lies now.
  void compare_pieces(const ReadPlan::Run& run) {
    const std::vector<BodyPiece>& original = original_.at(run.slice.body);
    std::uint64_t begin = 0;
    for (const BodyPiece& piece : run.pieces) {
      for (std::uint64_t i = 0; !piece.hole() && i < piece.length; i += 9'973)
        ASSERT_EQ(origin(piece.extent, piece.offset + i), at(original, begin + i));
      const std::uint64_t last = piece.length - 1;
      if (!piece.hole())
        ASSERT_EQ(origin(piece.extent, piece.offset + last), at(original, begin + last));
      begin += piece.length;
    }
  }
  Rank any_rank() {
    static constexpr Rank kRanks[] = {0, 1, kRankReencode, kRankDrain, kRankReprofile, kNoRank};
    return kRanks[below(std::size(kRanks))];
  }
  // What a survey and a scrub say of some extents, among them dead ones and ones that changed.
  void disturb_extents() {
    ExtentId from = catalog_.new_id<ExtentId>();
    from.bytes[7] = static_cast<std::byte>(below(200));
    const auto page = catalog_->walk_extents(from, 3);
    std::vector<QueueItem> items = {{from, any_rank()}};
    std::vector<ShardReport> missing, present;
    for (const auto& item : page->items) {
      if (one_in(2)) items.push_back({item.extent.id, any_rank()});
      const std::size_t index = below(item.extent.nodes.size());
      (one_in(2) ? missing : present)
          .push_back({item.extent.nodes[index], item.extent.shard(index)});
    }
    expect(Code{}, catalog_->enqueue(catalog_.loop(), items));
    expect(Code{}, catalog_->report_missing(catalog_.loop(), missing));
    expect(Code{}, catalog_->report_present(catalog_.loop(), present));
  }

  struct Keys final : ListVisitor {
    void object(const ListEntry& entry) override {
      seen.push_back(std::string(entry.key) + "=" + std::string(entry.etag) + "," +
                     std::to_string(entry.bytes));
    }
    void common_prefix(std::string_view) override {}
    std::vector<std::string> seen;
  };
  void compare_objects(const ModelBucket& bucket) {
    Keys keys;
    EXPECT_TRUE(catalog_->list(bucket.id, {}, keys));
    std::vector<std::string> wanted;
    for (const auto& [key, versions] : bucket.keys) {
      if (const ModelVersion* object = bucket.current(key)) {
        wanted.push_back(key + "=" + object->etag + "," + std::to_string(object->bytes));
        const auto found = catalog_->object(bucket.id, key);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->slices, object->slices);
      } else {
        EXPECT_EQ(code_of(catalog_->object(bucket.id, key)), Code::kNoSuchKey);
      }
      for (const ModelVersion& version : versions) compare_version(bucket, key, version);
    }
    EXPECT_EQ(keys.seen, wanted);
  }
  void compare_version(const ModelBucket& bucket, const std::string& key,
                       const ModelVersion& version) {
    const auto found = catalog_->object(bucket.id, key, version.id);
    if (version.delete_marker) {
      EXPECT_EQ(code_of(found), Code::kMethodNotAllowed);
      return;
    }
    ASSERT_TRUE(found);
    EXPECT_EQ(found->slices, version.slices);
    const auto plan = catalog_->plan(found->slices, 0, version.bytes);
    ASSERT_TRUE(plan) << plan.error().to_string();
    for (const ReadPlan::Run& run : plan->runs) compare_pieces(run);
  }

  // The versions of a bucket as a listing shows them, and what the model says of each.
  class Ids final : public VersionVisitor {
   public:
    void version(const VersionEntry& entry) override {
      ids[std::string(entry.object.key)].emplace_back(entry.version_id);
      seen.push_back(line(std::string(entry.object.key), std::string(entry.object.etag),
                          entry.delete_marker, entry.version_id == kNullVersionId, entry.latest));
    }
    void common_prefix(std::string_view) override {}
    static std::string line(const std::string& key, const std::string& etag, bool marker, bool null,
                            bool latest) {
      return key + "=" + etag + (marker ? " marker" : "") + (null ? " null" : "") +
             (latest ? " latest" : "");
    }
    std::map<std::string, std::vector<std::string>> ids;
    std::vector<std::string> seen;
  };
  // The ids of all versions are learnt from a listing, which thereby is compared.
  void learn_ids() {
    shown_.clear();
    for (auto& [name, bucket] : model_) {
      Ids listed;
      ASSERT_TRUE(catalog_->list_versions(bucket.id, {.limit = SIZE_MAX}, listed));
      std::vector<std::string> wanted;
      for (const auto& [key, versions] : bucket.keys)
        for (const ModelVersion& version : versions)
          wanted.push_back(Ids::line(key, version.etag, version.delete_marker, version.null,
                                     &version == &versions.front()));
      ASSERT_EQ(listed.seen, wanted);
      for (auto& [key, versions] : bucket.keys)
        for (std::size_t i = 0; i < versions.size(); ++i) {
          versions[i].id = listed.ids[key][i];
          shown_.emplace_back(key, versions[i].id);
        }
    }
  }
  void compare_uploads(const ModelBucket& bucket) {
    const auto page = catalog_->uploads(bucket.id, {});
    ASSERT_TRUE(page);
    EXPECT_EQ(page->uploads.size(), bucket.uploads.size());
    for (const Upload& upload : page->uploads) {
      const auto known = bucket.uploads.find(upload.upload_id);
      ASSERT_NE(known, bucket.uploads.end());
      EXPECT_EQ(upload.key, known->second.key);
      const auto parts = catalog_->parts(upload.upload_id, 0, 10);
      ASSERT_EQ(parts->parts.size(), known->second.parts.size());
      for (const Part& part : parts->parts)
        EXPECT_EQ(part.etag, known->second.parts.at(part.number).etag);
    }
  }

  std::mt19937_64 random_;
  std::vector<std::pair<std::string, std::string>> shown_;  // keys and version ids
  CatalogHarness catalog_;
  Model model_;
  std::map<BodyId, std::vector<BodyPiece>> original_;
  // By the new extent: the one that it came from, and what of it.
  std::map<ExtentId, std::pair<ExtentId, std::vector<ExtentRange>>> moves_;
  std::size_t compactions_ = 0;
  int last_upload_ = 0;
  bool failing_ = false;  // the next commit fails, and with it all that was started together
  std::vector<Task<Code>> tasks_;
  std::vector<Code> expected_;
};

void play(Player& player, kv::MemoryImage* image, int turns) {
  for (int turn = 0; turn < turns && !testing::Test::HasFailure(); ++turn) {
    player.play_some(image);
    if (player.one_in(50)) player.reopen();
    if (player.one_in(10)) player.compare();
  }
  player.compare();
}

TEST(CatalogModel, RandomOperationsMeanWhatTheModelSays) {
  std::size_t compactions = 0;
  for (const kv::Backend& backend : kv::kBackends)
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      SCOPED_TRACE(std::string(backend.name) + ", seed " + std::to_string(seed));
      Player player(backend.make(), seed);
      play(player, nullptr, 150);
      if (HasFailure()) return;
      compactions += player.compactions();
    }
  EXPECT_GT(compactions, 20u);
}

TEST(CatalogModel, FailedCommitsChangeNothing) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto image = std::make_shared<kv::MemoryImage>();
    Player player(std::make_unique<ImagePlace>(image), seed);
    play(player, image.get(), 150);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace hydra::catalog
