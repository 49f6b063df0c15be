#include "nodeagent/client/grid_server.h"

#include <map>
#include <optional>
#include <utility>

#include "nodeagent/protocol/link.h"
#include "nodeagent/protocol/messages.h"

namespace hydra::agent {

struct GridServer::State {
  State(Loop& owner, GridServerOptions given) : loop(owner), options(std::move(given)) {}

  void log(std::string line) const {
    if (options.log) options.log(std::move(line));
  }

  Loop& loop;
  GridServerOptions options;
  bool stopped = false;
  std::uint64_t next_joining = 1;
  std::map<std::uint64_t, Stream*> joining;  // in the order of their coming
};

// A link's place among those that join, also given back when its task dies with the loop.
class GridServer::Joining {
 public:
  Joining(State& state, Stream& stream) : state_(state), number_(state.next_joining++) {
    state_.joining.emplace(number_, &stream);
  }
  ~Joining() { state_.joining.erase(number_); }
  Joining(const Joining&) = delete;
  Joining& operator=(const Joining&) = delete;

 private:
  State& state_;
  std::uint64_t number_;
};

namespace {

struct Joined {
  NodeId node = 0;
  NodeDescription description;
  std::uint32_t worker = 0;
};

Task<Status> send_frame(Stream& stream, FrameType type, std::string fields, Deadline deadline) {
  const std::string frame = encode_frame({.type = type}, fields);
  const ByteView piece = as_bytes(frame);
  co_return co_await stream.write({&piece, 1}, deadline);
}

// The bytes of the next frame's fields, if it has the wanted type.
Task<Result<std::string>> expect(FrameReader& reader, FrameType type, Deadline deadline) {
  HYDRA_CO_TRY(const Frame frame, co_await reader.next(deadline));
  if (frame.header.type != type)
    co_return fail(Code::kUnauthenticated, "the peer does not follow the handshake");
  co_return std::string(as_text(frame.fields));
}

// The grid that the node is told of.
Result<ClusterId> cluster_of(const GridServerOptions& options, const Hello& hello) {
  if (options.cluster_for) return options.cluster_for(hello.cluster, hello.node);
  if (hello.cluster && *hello.cluster != options.cluster)
    return fail(Code::kConflict, "node " + hello.node.name + ": " + options.foreign);
  return options.cluster;
}

// Both sides prove that they know the secret; then the node gets its number and its welcome.
Task<Result<Joined>> shake_hands(Loop& loop, const GridServerOptions& options, Stream& stream) {
  const Deadline deadline = loop.after(kJoinDeadline);
  FrameReader reader(stream);
  HYDRA_CO_TRY(const std::string hello_fields,
               co_await expect(reader, FrameType::kHello, deadline));
  HYDRA_CO_TRY(const Hello hello, decode_hello(as_bytes(hello_fields)));

  HYDRA_CO_TRY(const ClusterId cluster, cluster_of(options, hello));
  Challenge challenge;
  challenge.cluster = cluster;
  loop.random(challenge.nonce);
  challenge.proof = handshake_proof(options.secret, Role::kGateway, as_bytes(hello_fields),
                                    cluster, challenge.nonce);
  HYDRA_CO_CHECK_OK(
      co_await send_frame(stream, FrameType::kChallenge, encode(challenge), deadline));
  HYDRA_CO_TRY(const std::string proof_fields,
               co_await expect(reader, FrameType::kProof, deadline));
  HYDRA_CO_TRY(const ProofMessage proof, decode_proof(as_bytes(proof_fields)));
  HYDRA_CO_CHECK_OK(check_proof(proof.proof, options.secret, Role::kAgent, as_bytes(hello_fields),
                                cluster, challenge.nonce));

  if (hello.wanted_worker >= options.workers.size())
    co_return fail(Code::kInvalidArgument, "there is no worker of that number");
  HYDRA_CO_TRY(const NodeId node, co_await options.on_join(hello.node, loop));

  Welcome welcome;
  welcome.node = node;
  welcome.workers = static_cast<std::uint32_t>(options.workers.size());
  welcome.heartbeat_ms = static_cast<std::uint32_t>(kHeartbeatInterval / kMillisecond);
  if (!reader.drained())
    co_return fail(Code::kUnauthenticated, "the peer does not follow the handshake");
  HYDRA_CO_CHECK_OK(co_await send_frame(stream, FrameType::kWelcome, encode(welcome), deadline));
  co_return Joined{node, hello.node, hello.wanted_worker};
}

}  // namespace

GridServer::GridServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<GridServer>> GridServer::start(Loop& loop, GridServerOptions options) {
  if (options.workers.empty() || options.workers.size() > kMaxWorkers)
    return fail(Code::kInvalidArgument, "the grid needs at least one worker");
  for (const Address& address : options.addresses) HYDRA_CHECK_OK(check_link_address(address));
  const auto addresses = options.addresses;
  std::unique_ptr<GridServer> server(
      new GridServer(std::make_shared<State>(loop, std::move(options))));
  for (const Address& address : addresses) {
    auto accept = [state = server->state_](std::unique_ptr<Stream> stream) {
      if (state->stopped || state->joining.size() >= kMaxJoiningLinks) return;
      state->loop.spawn(admit(state, std::move(stream)));
    };
    HYDRA_TRY(auto acceptor, loop.net().listen(address, std::move(accept)));
    server->acceptors_.push_back(std::move(acceptor));
  }
  return server;
}

GridServer::~GridServer() {
  state_->stopped = true;
  for (const auto& [number, stream] : state_->joining) stream->close();
}

std::vector<Address> GridServer::addresses() const {
  std::vector<Address> found;
  for (const auto& acceptor : acceptors_) found.push_back(acceptor->local());
  return found;
}

Task<void> GridServer::admit(std::shared_ptr<State> state, std::unique_ptr<Stream> stream) {
  std::optional<Joining> joining(std::in_place, *state, *stream);
  auto joined = co_await shake_hands(state->loop, state->options, *stream);
  if (!joined && !state->stopped) {
    const Error& error = joined.error();
    state->log("A link from " + stream->peer() + " was refused: " + error.message + ".");
    const Status told = co_await send_frame(*stream, FrameType::kError,
                                            encode(ErrorMessage{error.code, error.message}),
                                            state->loop.after(kSecond));
    if (!told) stream->close();
  }
  joining.reset();
  if (!joined || state->stopped) co_return;

  GridClient* worker = state->options.workers[joined->worker];
  state->log("Node " + std::to_string(joined->node) + " (" + joined->description.name +
             ") has a link to worker " + std::to_string(joined->worker) + ".");
  Stream& moving = *stream;
  moving.move_to(worker->loop(), std::move(stream),
                 [worker, node = *joined](std::unique_ptr<Stream> moved) {
                   worker->adopt(std::move(moved), node.node, node.description);
                 });
}

}  // namespace hydra::agent
