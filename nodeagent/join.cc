#include "nodeagent/join.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/runtime/sync.h"
#include "nodeagent/protocol/link.h"
#include "nodeagent/store/node_files.h"

namespace hydra::agent {

namespace {

constexpr Nanos kPause = 500 * kMillisecond;

// What was found or made in the directory. The lock is the store's.
struct Place {
  std::unique_ptr<File> lock;
  NodeIdentity identity;
  bool new_identity = false;
  std::optional<ClusterId> cluster;
};

Task<Result<Place>> prepare(Loop& loop, std::string directory) {
  Disk& disk = loop.disk();
  HYDRA_CO_CHECK_OK(co_await disk.make_directories(directory));
  auto lock = co_await disk.open(directory + "/lock", OpenMode::kLocked);
  if (!lock && lock.error().code == Code::kConflict)
    co_return fail(Code::kConflict, directory + " is in use by an agent");
  if (!lock) co_return fail(std::move(lock).error());
  HYDRA_CO_TRY(const auto secret, co_await load_secret(disk, directory));
  if (secret)
    co_return fail(Code::kAlreadyExists,
                   directory +
                       " has joined a grid already; to make a new node of it, remove all "
                       "that is in it");
  Place place;
  place.lock = std::move(*lock);
  HYDRA_CO_TRY(const auto identity, co_await find_identity(disk, directory));
  place.new_identity = !identity;
  HYDRA_CO_CHECK_OK(co_await disk.make_directories(directory + "/logs"));
  HYDRA_CO_TRY(place.identity, co_await load_identity(loop, directory));
  HYDRA_CO_TRY(place.cluster, co_await load_cluster(disk, directory));
  // A node that the grid knows must not vanish with the power.
  const std::size_t slash = directory.find_last_of('/');
  HYDRA_CO_CHECK_OK(co_await disk.sync_directory(slash == 0 ? "/" : directory.substr(0, slash)));
  co_return place;
}

// After a refusal: what prepare() made goes. Errors are of no interest beside the refusal.
Task<void> withdraw(Disk& disk, std::string directory, Place place) {
  if (!place.new_identity) co_return;
  (void)co_await disk.remove(directory + "/identity");
  (void)co_await disk.remove(directory + "/lock");
}

Task<Result<std::uint64_t>> capacity_of(Disk& disk, const JoinOptions& options) {
  if (options.capacity_bytes > 0) co_return options.capacity_bytes;
  HYDRA_CO_TRY(const DiskSpace space, co_await disk.space(options.directory));
  co_return space.free_bytes;
}

// One try. `asked` tells that the gateway may have seen the token.
Task<Result<Joined>> ask(Loop& loop, const JoinOptions& options, Join join, bool& asked) {
  const Deadline deadline = loop.after(kJoinPatience);
  auto dialled = co_await loop.net().connect(options.gateway, deadline);
  if (!dialled)
    co_return fail(dialled.error().code, "the gateway at " + options.gateway.text +
                                             " cannot be reached: " + dialled.error().message);
  std::unique_ptr<Stream> stream = std::move(*dialled);
  if (link_needs_tls(options.gateway))
    stream = TlsContext::psk_client(claim_psk(claim_id(options.token), claim_hash(options.token)))
                 ->wrap(loop, std::move(stream));
  const Status sent = co_await send_frame(*stream, FrameType::kJoin, encode(join), deadline);
  if (!sent && sent.error().code == Code::kUnauthenticated)
    co_return fail(Code::kUnauthenticated,
                   "the gateway at " + options.gateway.text +
                       " does not know this token: it is mistyped, or has expired, or is another "
                       "grid's (" +
                       sent.error().message + ")");
  asked = true;
  if (!sent) co_return fail(sent.error());
  FrameReader reader(*stream);
  HYDRA_CO_TRY(const Frame answer, co_await expect_frame(reader, FrameType::kJoined, deadline));
  HYDRA_CO_TRY(Joined joined, decode_joined(answer.fields));
  if (join.cluster && *join.cluster != joined.cluster)
    co_return fail(Code::kConflict, "this device belongs to another grid than that gateway");
  co_return joined;
}

bool may_be_repeated(Code code) {
  return code == Code::kUnavailable || code == Code::kTimeout || code == Code::kClosed;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string agent_yaml(const JoinOptions& options, const Joined& joined) {
  std::string gateways;
  for (const std::string& gateway : joined.gateways)
    gateways += (gateways.empty() ? "" : ", ") + quoted(gateway);
  std::string text = fmt::format(
      "# Written by hydra-agent join. conf/agent.yaml of the sources explains every key.\n"
      "agent:\n"
      "  name: {}\n"
      "  zone: {}\n"
      "  data: {}\n"
      "  gateways: [{}]\n",
      quoted(options.name), quoted(options.zone), quoted(options.directory), gateways);
  if (options.role == NodeRole::kCache) text += "  role: cache\n";
  if (options.capacity_bytes > 0) text += fmt::format("  capacity: {}B\n", options.capacity_bytes);
  return text;
}

bool has_control_characters(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  return false;
}

Status check(const JoinOptions& options) {
  if (!options.directory.starts_with('/'))
    return fail(Code::kInvalidArgument, "the directory must be an absolute path");
  for (const std::string* text : {&options.name, &options.zone, &options.directory})
    if (has_control_characters(*text))
      return fail(Code::kInvalidArgument, "no line breaks in a name, a zone or a path, please");
  if (options.name.empty() || options.name.size() > kMaxNameBytes ||
      options.zone.size() > kMaxNameBytes)
    return fail(Code::kInvalidArgument, "a node needs a name, of at most 255 bytes");
  return {};
}

// The secret comes last: with it the device has joined.
Task<Status> keep(Disk& disk, const JoinOptions& options, const Place& place,
                  const Joined& joined) {
  if (!place.cluster)
    HYDRA_CO_CHECK_OK(co_await save_cluster(disk, options.directory, joined.cluster));
  HYDRA_CO_CHECK_OK(
      co_await save_file(disk, options.directory, "agent.yaml", agent_yaml(options, joined)));
  co_return co_await save_secret(disk, options.directory, joined.secret.bytes);
}

}  // namespace

Task<Result<Joined>> join_grid(Loop& loop, JoinOptions options) {
  if (options.zone.empty()) options.zone = options.name;
  HYDRA_CO_CHECK_OK(check(options));
  Disk& disk = loop.disk();
  HYDRA_CO_TRY(Place place, co_await prepare(loop, options.directory));
  Join join;
  join.node = {place.identity, options.name, options.zone, options.version, 0, options.role};
  HYDRA_CO_TRY(join.node.capacity_bytes, co_await capacity_of(disk, options));
  join.cluster = place.cluster;
  join.token = options.token;

  bool asked = false;
  Result<Joined> joined = co_await ask(loop, options, join, asked);
  for (int tries = 1;
       !joined && asked && may_be_repeated(joined.error().code) && tries < kJoinTries; ++tries) {
    co_await sleep_for(loop, kPause);
    joined = co_await ask(loop, options, join, asked);
  }
  if (!joined) {
    // Whether the gateway took the token is not known when a link broke: the identity that it may
    // know is kept, so that the same token can be presented again.
    const bool open_end = asked && may_be_repeated(joined.error().code);
    if (!open_end) co_await withdraw(disk, options.directory, std::move(place));
    co_return joined;
  }
  if (joined->gateways.empty()) joined->gateways.push_back(options.gateway.text);
  HYDRA_CO_CHECK_OK(co_await keep(disk, options, place, *joined));
  co_return joined;
}

}  // namespace hydra::agent
