#include "nodeagent/dialer.h"

#include <algorithm>
#include <utility>

namespace hydra::agent {

Dialer::Dialer(std::shared_ptr<Device> device, std::shared_ptr<const Caller> caller,
               Address gateway)
    : device_(std::move(device)),
      caller_(std::move(caller)),
      gateway_(std::move(gateway)),
      stopping_(device_->loop) {}

void Dialer::start() { set_workers(1); }

void Dialer::stop() {
  stopping_.set();
  for (const auto& session : sessions_)
    if (session != nullptr) session->close();
}

void Dialer::note(std::string sentence) {
  if (sentence == last_note_) return;
  last_note_ = sentence;
  if (caller_->log) caller_->log(sentence);
}

// Starts what is missing; tasks of workers that are gone end by themselves.
void Dialer::set_workers(std::uint32_t workers) {
  workers_ = workers;
  if (kept_.size() < workers) {
    kept_.resize(workers);
    sessions_.resize(workers);
  }
  for (std::uint32_t worker = 0; worker < kept_.size(); ++worker) {
    if (worker >= workers && sessions_[worker] != nullptr) sessions_[worker]->close();
    if (worker >= workers || kept_[worker] || stopping_.is_set()) continue;
    kept_[worker] = true;
    device_->tasks.spawn(keep_link(shared_from_this(), worker));
  }
}

Task<void> Dialer::keep_link(std::shared_ptr<Dialer> self, std::uint32_t worker) {
  Loop& loop = self->device_->loop;
  Nanos pause = kFirstRetry;
  while (!self->stopping_.is_set() && worker < self->workers_) {
    const bool lasted = co_await self->link_once(worker);
    if (lasted) pause = kFirstRetry;
    const auto spread = static_cast<std::uint64_t>(pause / 2);
    const Nanos wait = pause / 2 + static_cast<Nanos>(loop.random_u64() % spread);
    pause = std::min(2 * pause, kLongestRetry);
    co_await self->stopping_.wait(loop.after(wait));
  }
  self->kept_[worker] = false;
}

Task<bool> Dialer::link_once(std::uint32_t worker) {
  Loop& loop = device_->loop;
  auto stream = co_await loop.net().connect(gateway_, loop.after(kConnectDeadline));
  if (!stream) {
    note("The gateway at " + gateway_.text + " cannot be reached: " + stream.error().message +
         ". Trying again.");
    co_return false;
  }
  if (stopping_.is_set()) co_return false;
  if (link_needs_tls(gateway_)) *stream = caller_->tls->wrap(loop, std::move(*stream));
  const Nanos begun = loop.now();
  const auto session = std::make_shared<Session>(device_, std::move(*stream));
  sessions_[worker] = session;
  const Status ended = co_await serve_session(session, worker);
  sessions_[worker] = nullptr;
  session->close();
  if (!stopping_.is_set())
    note("No link to worker " + std::to_string(worker) + " of the gateway at " + gateway_.text +
         ": " + ended.error().message + ". Trying again.");
  co_return loop.now() - begun >= kSecond;
}

// Shakes hands, then serves until the link ends. Always an error: why it ended.
Task<Status> Dialer::serve_session(std::shared_ptr<Session> session, std::uint32_t worker) {
  HYDRA_CO_TRY(const Welcome welcome, co_await shake_hands(session->link(), worker));
  note("Linked to worker " + std::to_string(worker) + " of the gateway at " + gateway_.text +
       " as node " + std::to_string(welcome.node) + ".");
  set_workers(welcome.workers);
  ++links_;
  Error why = co_await Session::serve(session, welcome.heartbeat_ms * kMillisecond);
  --links_;
  co_return fail(std::move(why));
}

Task<Result<Welcome>> Dialer::shake_hands(Link& link, std::uint32_t worker) {
  const Deadline deadline = device_->loop.after(kHandshakeDeadline);
  ShardStore& store = *device_->store;
  Hello hello;
  hello.node = caller_->description;
  hello.node.capacity_bytes = store.space().capacity_bytes;
  hello.cluster = store.cluster();
  hello.wanted_worker = worker;
  device_->loop.random(hello.nonce);
  const std::string hello_fields = encode(hello);
  const Status greeted =
      co_await send_frame(*link.stream, FrameType::kHello, hello_fields, deadline);
  if (!greeted && greeted.error().code == Code::kUnauthenticated)
    co_return fail(Code::kUnauthenticated,
                   "it does not know this node's secret (" + greeted.error().message + ")");
  if (!greeted) co_return fail(greeted.error());

  HYDRA_CO_TRY(const Frame asked,
               co_await expect_frame(link.reader, FrameType::kChallenge, deadline));
  HYDRA_CO_TRY(const Challenge challenge, decode_challenge(asked.fields));
  HYDRA_CO_CHECK_OK(check_proof(challenge.proof, caller_->secret, Role::kGateway,
                                as_bytes(hello_fields), challenge.cluster, challenge.nonce));
  if (hello.cluster && *hello.cluster != challenge.cluster)
    co_return fail(Code::kConflict, "this device belongs to another grid than that gateway");
  const ProofMessage proof{handshake_proof(caller_->secret, Role::kAgent, as_bytes(hello_fields),
                                           challenge.cluster, challenge.nonce)};
  HYDRA_CO_CHECK_OK(co_await send_frame(*link.stream, FrameType::kProof, encode(proof), deadline));

  HYDRA_CO_TRY(const Frame answer,
               co_await expect_frame(link.reader, FrameType::kWelcome, deadline));
  HYDRA_CO_TRY(const Welcome welcome, decode_welcome(answer.fields));
  // Another link may have set it meanwhile; the store accepts the same grid again and refuses
  // another.
  if (store.cluster() != challenge.cluster)
    HYDRA_CO_CHECK_OK(co_await store.set_cluster(challenge.cluster));
  co_return welcome;
}

}  // namespace hydra::agent
