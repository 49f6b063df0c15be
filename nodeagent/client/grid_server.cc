#include "nodeagent/client/grid_server.h"

#include <map>
#include <optional>
#include <utility>

#include "nodeagent/client/join_limit.h"
#include "nodeagent/protocol/link.h"
#include "nodeagent/protocol/messages.h"

namespace hydra::agent {

struct GridServer::State {
  State(Loop& owner, GridServerOptions given) : loop(owner), options(std::move(given)) {
    tls = TlsContext::psk_server([this](std::string_view identity, const std::string& peer) {
      return find_key(identity, peer);
    });
  }

  void log(std::string line) const {
    if (options.log) options.log(std::move(line));
  }
  // The key of whom a peer says it is: a node, whether known or not, or the holder of a token.
  std::optional<TlsKey> find_key(std::string_view identity, const std::string& peer) {
    if (const auto node = parse_link_psk(identity))
      return link_psk(node_secret(options.secret, *node), *node).key;
    const auto claim = parse_claim_psk(identity);
    if (!claim || !options.find_claim || !limit.allows(peer, loop.now())) return std::nullopt;
    const auto hash = options.find_claim(*claim);
    if (hash) return claim_psk(*claim, *hash).key;
    limit.count_failure(peer, loop.now());
    return std::nullopt;
  }

  Loop& loop;
  GridServerOptions options;
  std::shared_ptr<const TlsContext> tls;
  JoinLimit limit;
  bool stopped = false;
  std::uint64_t next_guest = 1;
  std::map<std::uint64_t, Stream*> guests;  // in the order of their coming
};

// The place of a link among those that have not proved themselves, also given back when its task
// dies with the loop.
class GridServer::Guest {
 public:
  Guest(State& state, Stream& stream) : state_(state), number_(state.next_guest++) {
    state_.guests.emplace(number_, &stream);
  }
  ~Guest() { state_.guests.erase(number_); }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

 private:
  State& state_;
  std::uint64_t number_;
};

namespace {

// A link that is to be handed to its worker.
struct Linked {
  NodeId node = 0;
  NodeDescription description;
  std::uint32_t worker = 0;
};

constexpr const char* kNotTheHandshake = "the peer does not follow the handshake";

// The grid that a node which says it belongs to `theirs` is told of.
Result<ClusterId> cluster_of(const GridServerOptions& options,
                             const std::optional<ClusterId>& theirs, const NodeDescription& node) {
  if (options.cluster_for) return options.cluster_for(theirs, node);
  if (theirs && *theirs != options.cluster)
    return fail(Code::kConflict, "node " + node.name + ": " + options.foreign);
  return options.cluster;
}

// Both sides prove that they know the node's secret; then it gets its number and its welcome.
Task<Result<Linked>> shake_hands(Loop& loop, const GridServerOptions& options, Stream& stream,
                                 FrameReader& reader, std::string hello_fields, Deadline deadline) {
  HYDRA_CO_TRY(const Hello hello, decode_hello(as_bytes(hello_fields)));
  const NodeSecret secret = node_secret(options.secret, hello.node.identity);
  HYDRA_CO_TRY(const ClusterId cluster, cluster_of(options, hello.cluster, hello.node));
  Challenge challenge;
  challenge.cluster = cluster;
  loop.random(challenge.nonce);
  challenge.proof =
      handshake_proof(secret, Role::kGateway, as_bytes(hello_fields), cluster, challenge.nonce);
  HYDRA_CO_CHECK_OK(
      co_await send_frame(stream, FrameType::kChallenge, encode(challenge), deadline));
  HYDRA_CO_TRY(const Frame answer, co_await expect_frame(reader, FrameType::kProof, deadline));
  HYDRA_CO_TRY(const ProofMessage proof, decode_proof(answer.fields));
  HYDRA_CO_CHECK_OK(check_proof(proof.proof, secret, Role::kAgent, as_bytes(hello_fields), cluster,
                                challenge.nonce));

  if (hello.wanted_worker >= options.workers.size())
    co_return fail(Code::kInvalidArgument, "there is no worker of that number");
  HYDRA_CO_TRY(const NodeId node, co_await options.on_link(hello.node, loop));

  Welcome welcome;
  welcome.node = node;
  welcome.workers = static_cast<std::uint32_t>(options.workers.size());
  welcome.heartbeat_ms = static_cast<std::uint32_t>(kHeartbeatInterval / kMillisecond);
  if (!reader.drained()) co_return fail(Code::kUnauthenticated, kNotTheHandshake);
  HYDRA_CO_CHECK_OK(co_await send_frame(stream, FrameType::kWelcome, encode(welcome), deadline));
  co_return Linked{node, hello.node, hello.wanted_worker};
}

// A device brings a token and gets what it needs for its links.
Task<Result<NodeId>> let_join(Loop& loop, const GridServerOptions& options, JoinLimit& limit,
                              Stream& stream, std::string join_fields, Deadline deadline) {
  HYDRA_CO_TRY(const Join join, decode_join(as_bytes(join_fields)));
  if (!options.on_join) co_return fail(Code::kUnsupported, "this gateway lets nobody join");
  if (!limit.allows(stream.peer(), loop.now()))
    co_return fail(Code::kUnavailable, "too many wrong tokens came from there; try in a minute");
  if (const auto cluster = cluster_of(options, join.cluster, join.node); !cluster)
    co_return fail(cluster.error());
  auto joined = co_await options.on_join(join, loop);
  if (!joined && joined.error().code == Code::kUnauthenticated)
    limit.count_failure(stream.peer(), loop.now());
  if (!joined) co_return fail(joined.error());
  HYDRA_CO_CHECK_OK(co_await send_frame(stream, FrameType::kJoined, encode(*joined), deadline));
  co_return joined->node;
}

}  // namespace

GridServer::GridServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<GridServer>> GridServer::start(Loop& loop, GridServerOptions options) {
  if (options.workers.empty() || options.workers.size() > kMaxWorkers)
    return fail(Code::kInvalidArgument, "the grid needs at least one worker");
  const auto addresses = options.addresses;
  std::unique_ptr<GridServer> server(
      new GridServer(std::make_shared<State>(loop, std::move(options))));
  for (const Address& address : addresses) {
    auto accept = [state = server->state_,
                   tls = link_needs_tls(address)](std::unique_ptr<Stream> stream) {
      if (state->stopped || state->guests.size() >= kMaxGuests) return;
      if (tls) stream = state->tls->wrap(state->loop, std::move(stream));
      state->loop.spawn(admit(state, std::move(stream)));
    };
    HYDRA_TRY(auto acceptor, loop.net().listen(address, std::move(accept)));
    server->acceptors_.push_back(std::move(acceptor));
  }
  return server;
}

GridServer::~GridServer() {
  state_->stopped = true;
  for (const auto& [number, stream] : state_->guests) stream->close();
}

std::vector<Address> GridServer::addresses() const {
  std::vector<Address> found;
  for (const auto& acceptor : acceptors_) found.push_back(acceptor->local());
  return found;
}

// What a guest came for: a link, or to join. In the latter case its stream has served.
struct GridServer::Reception {
  static Task<Result<std::optional<Linked>>> receive(State& state, Stream& stream);
};

Task<Result<std::optional<Linked>>> GridServer::Reception::receive(State& state, Stream& stream) {
  const Deadline deadline = state.loop.after(kAdmitDeadline);
  FrameReader reader(stream);
  HYDRA_CO_TRY(const Frame frame, co_await reader.next(deadline));
  std::string fields(as_text(frame.fields));
  if (frame.header.type == FrameType::kHello) {
    HYDRA_CO_TRY(Linked linked, co_await shake_hands(state.loop, state.options, stream, reader,
                                                     std::move(fields), deadline));
    co_return std::optional<Linked>(std::move(linked));
  }
  if (frame.header.type != FrameType::kJoin)
    co_return fail(Code::kUnauthenticated, kNotTheHandshake);
  HYDRA_CO_TRY(const NodeId node, co_await let_join(state.loop, state.options, state.limit, stream,
                                                    std::move(fields), deadline));
  state.log("A device at " + stream.peer() + " has joined the grid as node " +
            std::to_string(node) + ".");
  co_return std::optional<Linked>();
}

Task<void> GridServer::admit(std::shared_ptr<State> state, std::unique_ptr<Stream> stream) {
  std::optional<Guest> guest(std::in_place, *state, *stream);
  auto linked = co_await Reception::receive(*state, *stream);
  if (!linked && !state->stopped) {
    const Error& error = linked.error();
    state->log("A link from " + stream->peer() + " was refused: " + error.message + ".");
    const Status told = co_await send_frame(*stream, FrameType::kError,
                                            encode(ErrorMessage{error.code, error.message}),
                                            state->loop.after(kSecond));
    if (!told) stream->close();
  }
  guest.reset();
  if (!linked || !*linked || state->stopped) co_return;

  const Linked& node = **linked;
  GridClient* worker = state->options.workers[node.worker];
  state->log("Node " + std::to_string(node.node) + " (" + node.description.name +
             ") has a link to worker " + std::to_string(node.worker) + ".");
  Stream& moving = *stream;
  moving.move_to(worker->loop(), std::move(stream), [worker, node](std::unique_ptr<Stream> moved) {
    worker->adopt(std::move(moved), node.node, node.description);
  });
}

}  // namespace hydra::agent
