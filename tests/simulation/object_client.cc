#include "tests/simulation/object_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/encoding.h"
#include "gateway/object/slices.h"

namespace hydra::gridsim {

namespace {

constexpr std::uint64_t kMinPartBytes = 5u << 20;

std::string md5_hex(std::string_view bytes) {
  return hex_encode(digest_of(DigestKind::kMd5, as_bytes(bytes)));
}

// Refusals that leave open whether the commit took effect.
bool unknown_end(Code code) { return code == Code::kIo || code == Code::kInternal; }

}  // namespace

std::vector<std::string> make_keys(sim::Prng& prng, std::size_t count) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) {
    switch (prng.below(4)) {
      case 0:
        keys.push_back(fmt::format("key-{}", i));
        break;
      case 1:
        keys.push_back(fmt::format("folder-{}/key-{}", i % 2, i));
        break;
      case 2:
        keys.push_back(fmt::format("folder-{}/deep/key-{}", i % 2, i));
        break;
      default:
        keys.push_back(std::string(500 + prng.below(500), 'k') + fmt::format("-{}", i));
    }
  }
  return keys;
}

std::size_t pick_body_bytes(sim::Prng& prng, std::size_t most_bytes) {
  const auto near = [&prng](std::size_t bytes) { return bytes - 2 + prng.below(5); };
  std::size_t size;
  switch (prng.below(20)) {
    case 0:
      size = 0;
      break;
    case 1:
    case 2:
      size = prng.between(1, 100);
      break;
    case 3:
    case 4:
    case 5:
      size = near((16u << 10) - kGcmTagBytes);
      break;
    case 6:
    case 7:
      size = near(catalog::kSegmentBytes * prng.between(1, 3));
      break;
    case 8:
      size = near(prng.between(1, 2) << 20);
      break;
    case 9:
      size = prng.between(1, most_bytes);
      break;
    case 10:
      size = prng.between(1, 300u << 10);
      break;
    default:
      size = prng.between(1, 40u << 10);
  }
  return std::min(size, most_bytes);
}

struct ObjectClient::Busy {
  explicit Busy(bool& flag) : flag_(flag) { flag_ = true; }
  ~Busy() { flag_ = false; }
  bool& flag_;
};

Task<void> ObjectClient::run(ObjectClient* self, Gateway::Worker* worker) {
  const Busy busy(self->busy_);
  while (!self->stopping_) {
    const std::string error = co_await self->step(*worker);
    if (!error.empty()) {
      ++self->counters_.failures;
      self->model_.note(self->name_ + ": " + error);
    }
    co_await sleep_for(worker->loop, self->prng_.in(self->options_.think));
  }
}

Task<std::string> ObjectClient::step(Gateway::Worker& worker) {
  const auto dice = prng_.below(100);
  if (dice < 35) return put(worker, pick_key());
  if (dice < 55) return get(worker, pick_key());
  if (dice < 65) return get_range(worker, pick_key());
  if (dice < 75) return remove(worker, pick_key());
  if (dice < 79) return remove_many(worker);
  if (dice < 87) return copy(worker);
  if (dice < 94) return upload(worker);
  return list(worker);
}

Temper ObjectClient::pick_temper() {
  Temper temper;
  if (options_.calm) return temper;
  if (prng_.chance(0.2)) temper.pause = 0.5;
  if (prng_.chance(0.05)) temper.break_off = 0.3;
  return temper;
}

void ObjectClient::pick_conditions(Request& request, catalog::Preconditions& preconditions,
                                   bool may_be_absent) {
  if (options_.calm) return;
  if (may_be_absent && prng_.chance(0.2)) {
    request.if_absent = true;
    preconditions.if_none_match = "*";
  } else if (prng_.chance(0.15)) {
    request.if_match = "*";
    if (prng_.chance(0.8)) {
      const auto& keys = model_.keys();
      const auto found = keys.find(pick_key());
      if (found != keys.end() && *found->second.possible().rbegin() != kAbsent)
        request.if_match = model_.value(*found->second.possible().rbegin()).etag;
    }
    preconditions.if_match = request.if_match;
  }
  if (options_.ignore_preconditions) preconditions = {};
}

std::string ObjectClient::end(Attempt& attempt, const Status& status) {
  if (status) {
    attempt.finish(kDone);
    return {};
  }
  const Code code = status.error().code;
  if (code == Code::kPreconditionFailed || code == Code::kNoSuchKey) {
    attempt.finish(code == Code::kNoSuchKey ? kNoSuchKey : kPreconditionFailed);
    return {};
  }
  const std::string error = status.error().to_string();
  if (!unknown_end(code)) attempt.never_happened(error);
  return error;
}

void ObjectClient::check_bytes(const std::string& key, const Value& value, std::uint64_t offset,
                               std::uint64_t length, const std::string& got) {
  if (std::string_view(*value.bytes).substr(offset, length) != got)
    model_.violation(fmt::format("{}: wrong bytes at {}+{} of the value with etag {}", key, offset,
                                 length, value.etag));
}

Task<std::string> ObjectClient::put(Gateway::Worker& worker, std::string key) {
  const auto bytes = new_bytes();
  catalog::Version version;
  version.key = key;
  version.etag = md5_hex(*bytes);
  version.bytes = bytes->size();
  version.modified_ms = worker.loop.wall_ms();
  version.owner = {"owner", "Owner"};
  Request request{.kind = Request::Kind::kPut, .value = model_.intern(version.etag, bytes)};
  catalog::Preconditions preconditions;
  pick_conditions(request, preconditions, true);
  Attempt attempt = model_.begin(key, std::move(request), name_);
  KnownSource source(worker.loop, prng_, pick_temper(), bytes);
  auto body = co_await worker.store.receive(source, bytes->size());
  if (!body) {
    attempt.never_happened(body.error().to_string());
    co_return "put: " + body.error().to_string();
  }
  if (std::string error = co_await plant(worker, *body); !error.empty()) co_return error;
  const auto committed = co_await worker.store.commit_object(
      bucket_, std::move(version), std::move(*body), std::move(preconditions));
  ++counters_.puts;
  co_return end(attempt, committed ? Status() : fail(committed.error()));
}

// The bugs that a test may ask for.
Task<std::string> ObjectClient::plant(Gateway::Worker& worker, object::StoredBody& body) {
  if (options_.lie_about_durability)
    for (const auto& extent : body.data.extents)
      for (std::size_t i = 0; i < extent.nodes.size(); i += 2)
        (void)co_await worker.grid.free(extent.nodes[i], {extent.shard(i)},
                                        worker.loop.after(kSecond));
  if (options_.mix_up_slices && !body.slices.empty()) {
    const auto other = worker.store.catalog().object(bucket_, pick_key());
    if (other && !other->slices.empty() &&
        object::total_bytes(other->slices) == object::total_bytes(body.slices))
      body.slices = other->slices;
    else if (body.slices.front().length > 1)
      body.slices = {object::cut(body.slices, 1, body.slices.front().length - 1).front(),
                     object::cut(body.slices, 0, 1).front()};
  }
  co_return std::string();
}

Task<std::string> ObjectClient::get(Gateway::Worker& worker, std::string key) {
  Attempt attempt = model_.begin(key, {}, name_);
  const auto found =
      worker.store.catalog().object_and_plan(bucket_, key, [](const catalog::Version& version) {
        return std::optional(std::pair<std::uint64_t, std::uint64_t>(0, version.bytes));
      });
  if (!found && found.error().code == Code::kNoSuchKey) {
    attempt.finish(kAbsent);
    co_return std::string();
  }
  if (!found) co_return "get: " + found.error().to_string();
  const auto value = model_.find(found->first.etag);
  if (!value) {
    model_.violation(key + ": nobody wrote a value with etag " + found->first.etag);
    co_return std::string();
  }
  attempt.finish(*value);
  KeepingSink sink(worker.loop, prng_, pick_temper());
  const Status status = co_await worker.store.send(found->second, sink);
  if (!status) co_return "get " + key + ": " + status.error().to_string();
  ++counters_.gets;
  check_bytes(key, model_.value(*value), 0, found->first.bytes, sink.bytes);
  if (found->first.bytes != model_.value(*value).bytes->size())
    model_.violation(key + ": wrong length");
  co_return std::string();
}

Task<std::string> ObjectClient::get_range(Gateway::Worker& worker, std::string key) {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Attempt attempt = model_.begin(key, {}, name_);
  const auto found =
      worker.store.catalog().object_and_plan(bucket_, key, [&](const catalog::Version& version) {
        using Range = std::optional<std::pair<std::uint64_t, std::uint64_t>>;
        if (version.bytes == 0) return Range();
        offset = prng_.below(version.bytes);
        length = prng_.between(1, version.bytes - offset);
        return Range({offset, length});
      });
  if (!found && found.error().code == Code::kNoSuchKey) {
    attempt.finish(kAbsent);
    co_return std::string();
  }
  if (!found) co_return "get: " + found.error().to_string();
  const auto value = model_.find(found->first.etag);
  if (!value) {
    model_.violation(key + ": nobody wrote a value with etag " + found->first.etag);
    co_return std::string();
  }
  attempt.finish(*value);
  KeepingSink sink(worker.loop, prng_, pick_temper());
  const Status status = co_await worker.store.send(found->second, sink);
  if (!status) co_return "get a range of " + key + ": " + status.error().to_string();
  ++counters_.gets;
  check_bytes(key, model_.value(*value), offset, length, sink.bytes);
  co_return std::string();
}

Task<std::string> ObjectClient::remove(Gateway::Worker& worker, std::string key) {
  Request request{.kind = Request::Kind::kDelete};
  catalog::DeleteItem item;
  item.key = key;
  pick_conditions(request, item.preconditions, false);
  Attempt attempt = model_.begin(key, std::move(request), name_);
  const auto deleted = co_await worker.store.catalog().delete_object(
      worker.loop, bucket_, std::move(item), worker.loop.wall_ms());
  if (deleted && !deleted->existed) {
    attempt.finish(kNothingThere);
    co_return std::string();
  }
  ++counters_.deletes;
  co_return end(attempt, deleted ? Status() : fail(deleted.error()));
}

Task<std::string> ObjectClient::remove_many(Gateway::Worker& worker) {
  std::vector<catalog::DeleteItem> items;
  std::vector<Attempt> attempts;
  for (auto count = prng_.between(2, 4); count > 0; --count) {
    const std::string& key = pick_key();
    if (std::ranges::any_of(items, [&](const auto& item) { return item.key == key; })) continue;
    items.push_back({key, {}});
    attempts.push_back(model_.begin(key, {.kind = Request::Kind::kDelete}, name_));
  }
  const auto results = co_await worker.store.catalog().delete_objects(
      worker.loop, bucket_, std::move(items), worker.loop.wall_ms());
  std::string error;
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    if (!results)
      error = end(attempts[i], fail(results.error()));
    else if ((*results)[i] && !(*results)[i]->existed)
      attempts[i].finish(kNothingThere);
    else
      error = end(attempts[i], (*results)[i] ? Status() : fail((*results)[i].error()));
  }
  co_return error;
}

Task<std::string> ObjectClient::copy(Gateway::Worker& worker) {
  const std::string from = pick_key();
  Attempt read = model_.begin(from, {}, name_);
  auto source = worker.store.catalog().object(bucket_, from);
  if (!source && source.error().code == Code::kNoSuchKey) {
    read.finish(kAbsent);
    co_return std::string();
  }
  if (!source) co_return "copy: " + source.error().to_string();
  const auto value = model_.find(source->etag);
  if (!value) {
    model_.violation(from + ": nobody wrote a value with etag " + source->etag);
    co_return std::string();
  }
  read.finish(*value);
  if (prng_.chance(0.3)) co_await sleep_for(worker.loop, prng_.in({0, kSecond}));
  source->key = pick_key();
  Request request{.kind = Request::Kind::kPut, .value = *value};
  catalog::Preconditions preconditions;
  pick_conditions(request, preconditions, true);
  Attempt attempt = model_.begin(source->key, std::move(request), name_ + " copies");
  const auto copied = co_await worker.store.catalog().put_object(
      worker.loop, bucket_, std::move(*source), {}, std::move(preconditions));
  ++counters_.copies;
  // The source was replaced meanwhile.
  if (!copied && copied.error().code == Code::kConflict) {
    attempt.never_happened("conflict");
    co_return std::string();
  }
  co_return end(attempt, copied ? Status() : fail(copied.error()));
}

// Uploads a part, received or copied; `bytes` grows by what it holds.
Task<std::string> ObjectClient::add_part(Gateway::Worker& worker, const catalog::Upload& upload,
                                         std::uint32_t number, bool last, std::string& bytes,
                                         catalog::CompletedPart& done) {
  catalog::Part part;
  part.number = number;
  part.modified_ms = worker.loop.wall_ms();
  std::string content;
  const auto source = worker.store.catalog().object(bucket_, pick_key());
  const auto value = source ? model_.find(source->etag) : std::nullopt;
  Status status;
  // Every part but the last has 5 MiB; slices make that out of little.
  if (value && (last ? source->bytes > 0 && prng_.chance(0.5) : source->bytes > (40u << 10))) {
    const std::string& whole = *model_.value(*value).bytes;
    const std::size_t least = last ? 1 : kMinPartBytes;
    while (content.size() < least) {
      const std::uint64_t offset = last ? prng_.below(whole.size()) : 0;
      const std::uint64_t length = last ? prng_.between(1, whole.size() - offset) : whole.size();
      for (auto& slice : object::cut(source->slices, offset, length)) part.slices.push_back(slice);
      content.append(whole, offset, length);
    }
    part.etag = md5_hex(content);
    part.bytes = content.size();
    done = {number, part.etag, {}};
    status = co_await worker.store.catalog().put_part(worker.loop, upload, std::move(part), {});
  } else {
    const auto sent = new_bytes();
    content = *sent;
    part.etag = md5_hex(content);
    part.bytes = content.size();
    done = {number, part.etag, {}};
    KnownSource stream(worker.loop, prng_, pick_temper(), sent);
    auto body = co_await worker.store.receive(stream, sent->size());
    if (!body) co_return "part: " + body.error().to_string();
    status = co_await worker.store.commit_part(upload, std::move(part), std::move(*body));
  }
  if (!status) co_return "part: " + status.error().to_string();
  bytes += content;
  co_return std::string();
}

Task<std::string> ObjectClient::upload(Gateway::Worker& worker) {
  catalog::Upload upload;
  upload.bucket = bucket_;
  upload.key = pick_key();
  upload.upload_id = fmt::format("{:016x}", prng_.next());
  upload.initiated_ms = worker.loop.wall_ms();
  upload.owner = {"owner", "Owner"};
  catalog::Catalog& catalog = worker.store.catalog();
  const Status created = co_await catalog.create_upload(worker.loop, upload);
  if (!created) co_return "create upload: " + created.error().to_string();

  catalog::CompleteRequest complete;
  complete.now_ms = worker.loop.wall_ms();
  auto bytes = std::make_shared<std::string>();
  std::string digests;
  const std::uint32_t parts = prng_.chance(0.15) ? 2 : 1;
  for (std::uint32_t number = 1; number <= parts; ++number) {
    catalog::CompletedPart done;
    std::string error = co_await add_part(worker, upload, number, number == parts, *bytes, done);
    if (!error.empty()) co_return error;
    digests += *hex_decode(done.etag);
    complete.parts.push_back(std::move(done));
  }
  if (prng_.chance(0.15)) {
    const Status status = co_await catalog.abort_upload(worker.loop, bucket_, upload.key,
                                                        upload.upload_id, worker.loop.wall_ms());
    co_return status ? std::string() : "abort upload: " + status.error().to_string();
  }
  const std::string etag = fmt::format("{}-{}", md5_hex(digests), parts);
  Request request{.kind = Request::Kind::kPut, .value = model_.intern(etag, bytes)};
  pick_conditions(request, complete.preconditions, true);
  Attempt attempt = model_.begin(upload.key, std::move(request), name_ + " completes an upload");
  const auto version = co_await catalog.complete_upload(worker.loop, bucket_, upload.key,
                                                        upload.upload_id, complete);
  // A first part that was not a copy may be too small.
  if (!version && version.error().code == Code::kEntityTooSmall) {
    attempt.never_happened("too small");
    co_return std::string();
  }
  std::string error = end(attempt, version ? Status() : fail(version.error()));
  if (!version) co_return error;
  ++counters_.uploads;
  if (version->etag != etag) model_.violation(upload.key + ": wrong etag of a completed upload");
  // Repeated, it changes nothing.
  const auto again = co_await catalog.complete_upload(worker.loop, bucket_, upload.key,
                                                      upload.upload_id, std::move(complete));
  if (again && again->etag != etag) model_.violation(upload.key + ": wrong repeated completion");
  if (!again) co_return "repeated completion: " + again.error().to_string();
  co_return std::string();
}

namespace {
class Listing final : public catalog::ListVisitor {
 public:
  void object(const catalog::ListEntry& entry) override {
    entries.emplace_back(std::string(entry.key), std::pair(std::string(entry.etag), entry.bytes));
  }
  void common_prefix(std::string_view) override {}
  std::vector<std::pair<std::string, std::pair<std::string, std::uint64_t>>> entries;
};
}  // namespace

Task<std::string> ObjectClient::list(Gateway::Worker& worker) {
  const std::string prefix = prng_.chance(0.3) ? "folder-" : "";
  std::map<std::string, Attempt> reads;
  for (const std::string& key : options_.keys)
    if (key.starts_with(prefix)) reads.emplace(key, model_.begin(key, {}, name_ + " lists"));
  Listing listing;
  std::string after;
  for (bool more = true; more;) {
    catalog::ListRequest request;
    request.prefix = prefix;
    request.start_after = after;
    request.limit = prng_.between(1, 20);
    const auto end = worker.store.catalog().list(bucket_, request, listing);
    if (!end) co_return "list: " + end.error().to_string();
    more = end->truncated;
    after = end->last;
    if (more && prng_.chance(0.5)) co_await sleep_for(worker.loop, prng_.in({0, kSecond}));
  }
  std::string last;
  for (const auto& [key, entry] : listing.entries) {
    if (key <= last) model_.violation(key + ": listed out of order");
    last = key;
    const auto value = model_.find(entry.first);
    const auto read = reads.find(key);
    if (!value || read == reads.end() || model_.value(*value).bytes->size() != entry.second) {
      model_.violation(key + ": listed, but nobody wrote this");
      continue;
    }
    read->second.finish(*value);
    reads.erase(read);
  }
  for (auto& [key, read] : reads) read.finish(kAbsent);
  ++counters_.lists;
  co_return std::string();
}

}  // namespace hydra::gridsim
