#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/runtime/sim/sim_connection.h"
#include "base/runtime/sim/sim_sending.h"
#include "base/runtime/sim/simulation.h"

namespace hydra::sim {

namespace {
constexpr Nanos kConnectPatience = 130 * kSecond;  // Linux gives up after about as long

// One reader and one writer at a time is the contract of Stream. At teardown it may outlive the
// stream.
class Turnstile {
 public:
  Turnstile(std::shared_ptr<Connection> connection, bool& busy)
      : connection_(std::move(connection)), busy_(busy) {
    HYDRA_ASSERT(!busy_);
    busy_ = true;
  }
  Turnstile(const Turnstile&) = delete;
  Turnstile& operator=(const Turnstile&) = delete;
  ~Turnstile() { busy_ = false; }

 private:
  std::shared_ptr<Connection> connection_;
  bool& busy_;
};
}  // namespace

void Connection::End::attach(SimLoop& to) {
  loop = &to;
  readable.emplace(to);
  writable.emplace(to);
}

void Connection::End::wake() {
  if (readable) readable->set();
  if (writable) writable->set();
}

void Connection::End::drop_inbox() {
  inbox.clear();
  inbox_bytes = 0;
  head_offset = 0;
}

std::size_t Connection::End::take(MutableBytes into, std::size_t most) {
  std::size_t done = 0;
  while (done < most) {
    const std::string& head = inbox.front();
    const std::size_t take = std::min(most - done, head.size() - head_offset);
    std::memcpy(into.data() + done, head.data() + head_offset, take);
    done += take;
    head_offset += take;
    if (head_offset < head.size()) continue;
    inbox.pop_front();
    head_offset = 0;
  }
  inbox_bytes -= done;
  return done;
}

SimStream::~SimStream() {
  HYDRA_ASSERT(!busy() || end().loop->dead());  // a pending call would resume into nothing
  close();
}

Task<Result<std::size_t>> SimStream::read(MutableBytes into, Deadline deadline) {
  const Turnstile turnstile(connection_, end().reading);
  Connection::End& here = end();
  Prng& prng = network_.prng();
  if (prng.chance(0.5)) co_await yield(*here.loop);
  while (here.inbox.empty() && !here.ended && !here.broken && !here.closed) {
    here.readable->reset();
    if (!co_await here.readable->wait(deadline)) co_return fail(Code::kTimeout, "nothing came");
  }
  if (here.closed) co_return fail(Code::kClosed, "closed");
  if (here.broken) co_return fail(Code::kClosed, "connection broke");
  std::size_t most = std::min(into.size(), here.inbox_bytes);
  if (most == 0) co_return std::size_t{0};
  if (prng.chance(network_.faults().partial_read)) most = prng.between(1, most);
  const std::size_t count = here.take(into, most);
  network_.return_window(connection_, side_, count);
  co_return count;
}

Task<Status> SimStream::write(std::span<const ByteView> pieces, Deadline deadline) {
  const Turnstile turnstile(connection_, end().writing);
  if (network_.prng().chance(0.5)) co_await yield(*end().loop);
  for (const ByteView& piece : pieces) HYDRA_CO_CHECK_OK(co_await write_piece(piece, deadline));
  co_return Status();
}

Task<Status> SimStream::send(const FileRun& run, Deadline deadline) {
  const auto& file = *static_cast<const SimSendableFile*>(run.file);
  const std::string bytes = file.cached_bytes(run.offset, run.length);
  if (bytes.size() < run.length) co_return fail(Code::kIo, "the file ended before");
  const ByteView piece = as_bytes(bytes);
  co_return co_await write({&piece, 1}, deadline);
}

Task<Status> SimStream::write_piece(ByteView piece, Deadline deadline) {
  Connection::End& here = end();
  while (!piece.empty()) {
    if (here.closed) co_return fail(Code::kClosed, "closed");
    if (here.broken) co_return fail(Code::kClosed, "connection broke");
    if (here.window == 0) {
      here.writable->reset();
      if (!co_await here.writable->wait(deadline))
        co_return fail(Code::kTimeout, "the peer does not read");
      continue;
    }
    const std::size_t limit = std::min(here.window, network_.faults().max_chunk_bytes);
    const std::size_t count = std::min(piece.size(), network_.prng().between(1, limit));
    here.window -= count;
    network_.send_data(connection_, side_, std::string(as_text(piece.first(count))));
    piece = piece.subspan(count);
  }
  co_return Status();
}

void SimStream::move_to(Loop& target, std::unique_ptr<Stream> self,
                        std::function<void(std::unique_ptr<Stream>)> then) {
  auto& to = static_cast<SimLoop&>(target);
  HYDRA_ASSERT(self.get() == this && !busy());
  HYDRA_ASSERT(&to.process() == &end().loop->process());
  end().attach(to);
  // std::function wants copies, so a shared box carries the stream over.
  auto box = std::make_shared<std::unique_ptr<Stream>>(std::move(self));
  to.post([box, then = std::move(then)] { then(std::move(*box)); });
}

std::string SimStream::peer() const {
  if (connection_->address.starts_with("unix:")) return "unix";
  if (side_ == 0) return connection_->address;
  return fmt::format("{}:{}", connection_->ends[0].host, 32'768 + connection_->id % 28'000);
}

class SimAcceptor final : public Acceptor {
 public:
  SimAcceptor(Network& network, std::string address, std::shared_ptr<Network::Listener> listener)
      : network_(network), address_(std::move(address)), listener_(std::move(listener)) {}
  ~SimAcceptor() override { network_.remove_listener(address_, listener_); }
  Address local() const override { return {address_}; }

 private:
  Network& network_;
  std::string address_;
  std::shared_ptr<Network::Listener> listener_;
};

Task<Result<std::unique_ptr<Stream>>> LoopNet::connect(Address to, Deadline deadline) {
  Network& network = loop_.process().simulation().network();
  const std::shared_ptr<Connection> connection = network.open(loop_, to.text);
  std::unique_ptr<Stream> stream = std::make_unique<SimStream>(network, connection, 0);
  const Deadline patience{std::min(deadline.at, loop_.now() + kConnectPatience)};
  Connection::End& here = connection->ends[0];
  while (connection->outcome == Connection::Outcome::kWaiting && !here.broken) {
    here.readable->reset();
    if (!co_await here.readable->wait(patience))
      co_return fail(Code::kTimeout, "no answer from " + to.text);
  }
  if (connection->outcome != Connection::Outcome::kOpen)
    co_return fail(Code::kUnavailable, "connection refused by " + to.text);
  co_return stream;
}

Result<std::unique_ptr<Acceptor>> LoopNet::listen(Address at, AcceptHandler handler) {
  Network& network = loop_.process().simulation().network();
  auto listener = std::make_shared<Network::Listener>(
      Network::Listener{&loop_, loop_.process().name(), std::move(handler)});
  HYDRA_TRY(std::string address, network.add_listener(at.text, listener));
  return std::make_unique<SimAcceptor>(network, std::move(address), std::move(listener));
}

}  // namespace hydra::sim
