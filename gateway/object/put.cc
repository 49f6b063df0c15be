// The way of a PUT: receive -> digest -> seal -> lay into extents -> encode -> place -> send shards
// -> quorum -> catalog commit. Digests run inside the source, over each piece as it arrives; the
// stages from `encode` to `quorum` are ExtentWriter's.
#include <algorithm>
#include <optional>

#include "base/runtime/new_id.h"
#include "gateway/object/object_store.h"
#include "gateway/object/segment_format.h"
#include "placement/choose.h"

namespace hydra::object {

namespace {

constexpr std::uint64_t kReceiveBytes = 4 * kSegmentBytes;  // read from the client at a time
constexpr Nanos kFreePatience = 30 * kSecond;               // for shards that nobody will need

// Seals a body's plaintext, segment by segment, into wherever the ciphertext goes.
class Sealer {
 public:
  Sealer(BodyId body, ByteView key, std::uint64_t plain_bytes)
      : body_(body), aead_(key), segments_(segments(plain_bytes)) {}

  // `out` has 16 bytes more than `plain`, which is a whole segment or the last one.
  void seal(ByteView plain, MutableBytes out) {
    const bool last = index_ + 1 == segments_;
    aead_.seal(segment_nonce(index_), segment_aad(body_, index_, last), plain, out);
    ++index_;
  }

 private:
  BodyId body_;
  Aead aead_;
  std::uint64_t segments_;
  std::uint64_t index_ = 0;
};

Task<void> free_shards(agent::Grid& grid, std::vector<catalog::Extent> extents, Deadline deadline) {
  for (const auto& extent : extents)
    for (std::size_t i = 0; i < extent.nodes.size(); ++i)
      // Best effort: what stays behind is an orphan, which the inventory collects.
      (void)co_await grid.free(extent.nodes[i], {extent.shard(i)}, deadline);
}

// Lays the run of sealed segments into extents of at most 64 MiB, each placed on its own arc.
class ExtentRun {
 public:
  // Chooses nodes for an extent, if possible without those to avoid.
  using Place = std::function<Result<catalog::Extent>(std::uint64_t sealed_left,
                                                      std::span<const NodeId> avoid)>;
  ExtentRun(Loop& loop, agent::Grid& grid, WriteTimes times, Semaphore& budget,
            std::uint64_t sealed_total, Place place)
      : loop_(loop),
        grid_(grid),
        times_(times),
        budget_(budget),
        left_(sealed_total),
        place_(std::move(place)) {}

  // Appends one segment: sealed straight into the stripe where it fits, else by way of a buffer.
  Task<Status> append(Sealer& sealer, ByteView plain, catalog::NewData& data) {
    const std::size_t sealed = plain.size() + kGcmTagBytes;
    HYDRA_CO_CHECK_OK(open());
    MutableBytes space = writer_->space();
    if (space.size() >= sealed) {
      sealer.seal(plain, space.first(sealed));
      co_return co_await advance(sealed, data);
    }
    if (spill_.capacity() == 0) spill_ = Buffer(kSealedSegmentBytes);
    spill_.resize(sealed);
    sealer.seal(plain, spill_.span());
    for (ByteView rest = spill_.view(); !rest.empty();) {
      HYDRA_CO_CHECK_OK(open());
      space = writer_->space();
      const std::size_t now = std::min(space.size(), rest.size());
      std::memcpy(space.data(), rest.data(), now);
      rest = rest.subspan(now);
      HYDRA_CO_CHECK_OK(co_await advance(now, data));
    }
    co_return Status();
  }

 private:
  Status open() {
    if (writer_ != nullptr) return {};
    HYDRA_TRY(catalog::Extent extent, place_(left_, {}));
    extent_left_ = extent.length;
    left_ -= extent.length;
    writer_ = std::make_unique<ExtentWriter>(loop_, grid_, times_, std::move(extent));
    return {};
  }
  Task<Status> advance(std::size_t bytes, catalog::NewData& data) {
    extent_left_ -= bytes;
    const Status filled = co_await writer_->filled(bytes);
    if (!filled) HYDRA_CO_CHECK_OK(co_await write_again(filled.error()));
    if (extent_left_ > 0) co_return Status();
    auto extent = co_await writer_->finish();
    if (!extent) {
      HYDRA_CO_CHECK_OK(co_await write_again(extent.error()));
      extent = co_await writer_->finish();
      if (!extent) co_return give_up(std::move(extent).error());
    }
    writer_.reset();
    again_.reset();
    data.bodies.front().pieces.push_back({extent->id, 0, extent->length});
    data.extents.push_back(std::move(*extent));
    co_return Status();
  }

  // The extent lost its quorum. If all of its bytes are still here, they are written once more,
  // under a new id and on the nodes that can be had now.
  Task<Status> write_again(Error error) {
    if (again_ || error.code != Code::kUnavailable || !writer_->keeps_all())
      co_return give_up(std::move(error));
    auto room = co_await budget_.acquire(2 * writer_->extent().length, loop_.after(0));
    if (!room) co_return give_up(std::move(error));
    again_ = std::move(*room);
    auto next = place_(writer_->extent().length, writer_->failed_nodes());
    if (!next) co_return give_up(std::move(error));
    const auto lost = std::move(writer_);
    free_later(lost->extent());
    writer_ = std::make_unique<ExtentWriter>(loop_, grid_, times_, std::move(*next));
    for (ByteView rest : lost->written()) {
      while (!rest.empty()) {
        const MutableBytes space = writer_->space();
        const std::size_t now = std::min(space.size(), rest.size());
        std::memcpy(space.data(), rest.data(), now);
        rest = rest.subspan(now);
        const Status filled = co_await writer_->filled(now);
        if (!filled) co_return give_up(filled.error());
      }
    }
    co_return Status();
  }

  tl::unexpected<Error> give_up(Error error) {
    free_later(writer_->extent());
    return fail(std::move(error));
  }
  void free_later(const catalog::Extent& extent) {
    loop_.spawn(free_shards(grid_, {extent}, loop_.after(kFreePatience)));
  }

  Loop& loop_;
  agent::Grid& grid_;
  WriteTimes times_;
  Semaphore& budget_;
  std::optional<Semaphore::Hold> again_;  // while the open extent is written for the second time
  std::uint64_t left_;                    // sealed bytes without an extent yet
  std::uint64_t extent_left_ = 0;         // of the open extent
  Place place_;
  std::unique_ptr<ExtentWriter> writer_;
  Buffer spill_;
};

// Refusals after which the catalog surely knows nothing of the body. kInternal: perhaps it does,
// only the journal does not yet.
bool surely_not_committed(Code code) { return code != Code::kIo && code != Code::kInternal; }

}  // namespace

StoredBody::~StoredBody() {
  if (loop_ == nullptr || data.extents.empty()) return;
  loop_->spawn(free_shards(*grid_, std::move(data.extents), loop_->after(kFreePatience)));
}

Result<catalog::Extent> ObjectStore::place(std::uint64_t sealed_left,
                                           std::span<const NodeId> avoid) {
  const auto view = board_.current();
  if (view == nullptr) return fail(Code::kUnavailable, "no node has joined this grid yet");
  catalog::Extent extent;
  extent.id = new_id<ExtentId>(loop_);
  extent.stored_as = extent.id;
  extent.length = static_cast<std::uint32_t>(std::min(sealed_left, options_.extent_bytes));
  extent.live_bytes = extent.length;
  extent.wanted = options_.profile;
  if (extent.length <= options_.small_bytes) extent.wanted.k = 1;
  const auto choose = [&](const std::function<bool(NodeId)>& usable) {
    return placement::choose_nodes(view->ring, view->map, extent.wanted, extent.id.view(), usable,
                                   [&](NodeId node) { return grid_.score(node); });
  };
  const auto avoided = [&](NodeId node) { return std::ranges::find(avoid, node) != avoid.end(); };
  auto placement = choose([&](NodeId node) { return grid_.takes_new(node) && !avoided(node); });
  // A node of ill repute is better than a smaller profile, and one to avoid is better than none.
  if (!placement || placement->profile != extent.wanted)
    placement = choose([&](NodeId node) { return grid_.usable(node) && !avoided(node); });
  if (!placement && !avoid.empty())
    placement = choose([&](NodeId node) { return grid_.usable(node); });
  HYDRA_CHECK_OK(placement);
  extent.profile = placement->profile;
  extent.nodes = std::move(placement->nodes);
  return extent;
}

Task<Result<StoredBody>> ObjectStore::receive(ByteSource& source, std::uint64_t length) {
  StoredBody stored(loop_, grid_);
  Status status = co_await receive_body(source, length, stored);
  if (!status) co_return fail(std::move(status).error());
  for (const auto& extent : stored.data.extents)
    if (extent.missing != 0 || extent.profile != extent.wanted) ++counters_.degraded_writes;
  co_return stored;
}

Task<Status> ObjectStore::receive_body(ByteSource& source, std::uint64_t length,
                                       StoredBody& stored) {
  // Two stripes with their parity, and the piece that is being received.
  const std::size_t stripe_bytes =
      std::min<std::uint64_t>(erasure::kStripeDataBytes, sealed_bytes(length)) *
      static_cast<std::size_t>(options_.profile.shards()) / options_.profile.k;
  const std::size_t piece_bytes = std::max<std::uint64_t>(1, std::min(length, kReceiveBytes));
  auto hold =
      co_await budget_.acquire(2 * stripe_bytes + piece_bytes, loop_.after(options_.budget_wait));
  if (!hold) co_return fail(Code::kSlowDown, "too much data is in flight");

  catalog::Body body;
  DataKey key;
  body.id = new_id<BodyId>(loop_);
  loop_.random(key);
  body.plain_bytes = length;
  Sealer sealer(body.id, key, length);
  const catalog::Slice slice{body.id, 0, length, keys_.wrap(body.id, key)};
  secure_clear(key);
  const BodyId body_id = body.id;
  stored.data.bodies.push_back(std::move(body));
  stored.slices.push_back(slice);

  ExtentRun run(loop_, grid_, options_.write, budget_, sealed_bytes(length),
                [this, &stored](std::uint64_t left, std::span<const NodeId> avoid) {
                  auto extent = place(left, avoid);
                  if (extent && notices_ != nullptr)
                    stored.in_flight.push_back(notices_->writes.begin(extent->stored_as));
                  return extent;
                });
  Buffer piece(piece_bytes);
  std::uint64_t received = 0;
  for (;;) {
    piece.resize(piece.capacity());
    HYDRA_CO_TRY(const std::size_t got, co_await source.read(piece.span()));
    if (got > length - received) co_return fail(Code::kInvalidArgument, "the body is too long");
    received += got;
    for (std::size_t at = 0; at < got; at += kSegmentBytes) {
      const std::size_t now = std::min<std::size_t>(kSegmentBytes, got - at);
      HYDRA_CO_CHECK_OK(co_await run.append(sealer, piece.view().subspan(at, now), stored.data));
    }
    if (got < piece.capacity()) break;
  }
  if (received != length) co_return fail(Code::kIncompleteBody, "the body is too short");
  if (length == 0) {
    HYDRA_ASSERT(stored.data.bodies.front().id == body_id);
    stored.data.bodies.clear();
    stored.slices.clear();
  }
  co_return Status();
}

Task<Result<std::string>> ObjectStore::commit_object(catalog::BucketId bucket,
                                                     catalog::Version version, StoredBody body,
                                                     catalog::Preconditions preconditions) {
  version.slices = body.slices;
  auto version_id = co_await catalog_.put_object(loop_, bucket, std::move(version), body.data,
                                                 std::move(preconditions));
  if (version_id || !surely_not_committed(version_id.error().code)) body.release();
  co_return version_id;
}

Task<Status> ObjectStore::commit_part(catalog::Upload upload, catalog::Part part, StoredBody body) {
  part.slices = body.slices;
  Status status = co_await catalog_.put_part(loop_, std::move(upload), std::move(part), body.data);
  if (status || !surely_not_committed(status.error().code)) body.release();
  co_return status;
}

}  // namespace hydra::object
