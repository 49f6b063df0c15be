#include "base/runtime/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/runtime/sync.h"

namespace hydra {

namespace {

constexpr std::size_t kReceiveBytes = 32 << 10;   // about two records
constexpr std::size_t kFlushAtBytes = 256 << 10;  // ciphertext gathered before it is sent
constexpr std::size_t kKeptBytes = 64 << 10;      // room for ciphertext that an idle stream keeps
constexpr Nanos kGoodbyePatience = 2 * kSecond;

std::string tls_reason() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* const reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? "unknown reason" : reason;
}

struct SslDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, SslDeleter>;
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

// One TLS connection: OpenSSL reads ciphertext from incoming_ and appends it to outgoing_; the
// coroutines here move both to and from the inner stream. Shared with pending reads and writes, so
// that closing under them is safe.
class TlsSession {
 public:
  using Self = std::shared_ptr<TlsSession>;

  // `by_psk`: the handshake must have used a shared key, and the end must be announced.
  TlsSession(Loop& loop, std::unique_ptr<Stream> inner, std::shared_ptr<const TlsContext> context,
             SslPtr ssl, bool by_psk);

  static Task<Result<std::size_t>> read(Self self, MutableBytes into, Deadline deadline);
  static Task<Status> write(Self self, std::span<const ByteView> pieces, Deadline deadline);
  void close();
  static void move_to(Self self, Loop& target, std::function<void()> then);
  const std::string& peer() const { return peer_; }

 private:
  enum class Handshake { kPending, kRunning, kDone, kFailed };

  static BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* to, int size);
  static int bio_write(BIO* bio, const char* from, int size);
  static long bio_control(BIO* bio, int command, long, void*);

  static Task<Status> handshake(Self self, Deadline deadline);
  static Task<Status> take_handshake_steps(Self self, Deadline deadline);
  static Task<Result<bool>> receive(Self self, Deadline deadline);
  static Task<Status> flush(Self self, Deadline deadline);
  static Task<void> say_goodbye(Loop& loop, std::unique_ptr<Stream> inner, std::string bytes);
  Status usable() const;

  Loop* loop_;
  std::unique_ptr<Stream> inner_;  // nullptr once closed
  std::string peer_;
  std::shared_ptr<const TlsContext> context_;  // callbacks of ssl_ use it
  SslPtr ssl_;
  bool by_psk_;
  Buffer incoming_;
  std::size_t incoming_taken_ = 0;
  std::string outgoing_;
  std::string sending_;
  bool receiving_ = false;
  bool flushing_ = false;
  bool broken_ = false;  // ciphertext was lost: nothing can follow
  Handshake handshake_ = Handshake::kPending;
  Nanos handshake_until_ = 0;  // set at its first step
  detail::WaitList handshake_ended_;
  detail::WaitList flush_ended_;
};

TlsSession::TlsSession(Loop& loop, std::unique_ptr<Stream> inner,
                       std::shared_ptr<const TlsContext> context, SslPtr ssl, bool by_psk)
    : loop_(&loop),
      inner_(std::move(inner)),
      peer_(inner_->peer()),
      context_(std::move(context)),
      ssl_(std::move(ssl)),
      by_psk_(by_psk) {
  BIO* const bio = BIO_new(bio_method());
  HYDRA_ASSERT(bio != nullptr);
  SSL_set_app_data(ssl_.get(), this);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // takes the one reference
}

BIO_METHOD* TlsSession::bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hydra stream");
    HYDRA_ASSERT(made != nullptr);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

int TlsSession::bio_read(BIO* bio, char* to, int size) {
  auto& self = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::size_t there = self.incoming_.size() - self.incoming_taken_;
  const std::size_t count = std::min(there, static_cast<std::size_t>(size));
  if (count == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(to, self.incoming_.data() + self.incoming_taken_, count);
  self.incoming_taken_ += count;
  return static_cast<int>(count);
}

int TlsSession::bio_write(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  static_cast<TlsSession*>(BIO_get_data(bio))
      ->outgoing_.append(from, static_cast<std::size_t>(size));
  return size;
}

long TlsSession::bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

Status TlsSession::usable() const {
  if (inner_ == nullptr) return fail(Code::kClosed, "the stream is closed");
  if (broken_) return fail(Code::kClosed, "the stream broke before");
  return {};
}

// Refills incoming_ when OpenSSL has taken all of it. False: the peer ended.
Task<Result<bool>> TlsSession::receive(Self self, Deadline deadline) {
  HYDRA_CO_CHECK_OK(self->usable());
  if (self->incoming_.capacity() == 0) self->incoming_ = Buffer(kReceiveBytes);
  self->incoming_taken_ = 0;
  self->incoming_.resize(0);
  self->receiving_ = true;
  const auto count = co_await self->inner_->read(self->incoming_.spare(), deadline);
  self->receiving_ = false;
  if (!count) co_return fail(count.error());
  self->incoming_.resize(*count);
  co_return *count != 0;
}

// Returns when all ciphertext made so far is with the inner stream.
Task<Status> TlsSession::flush(Self self, Deadline deadline) {
  while (self->flushing_ || !self->outgoing_.empty()) {
    HYDRA_CO_CHECK_OK(self->usable());
    if (self->flushing_) {
      if (!co_await detail::Waiter(*self->loop_, self->flush_ended_, deadline))
        co_return fail(Code::kTimeout, "the peer took too long to read");
      continue;
    }
    self->flushing_ = true;
    self->sending_.swap(self->outgoing_);
    const ByteView piece = as_bytes(self->sending_);
    const Status sent = co_await self->inner_->write({&piece, 1}, deadline);
    self->flushing_ = false;
    self->sending_.clear();
    if (!sent) self->broken_ = true;
    self->flush_ended_.resume_all();
    if (!sent) co_return sent;
  }
  co_return self->usable();
}

Task<Status> TlsSession::take_handshake_steps(Self self, Deadline deadline) {
  for (;;) {
    HYDRA_CO_CHECK_OK(self->usable());
    ERR_clear_error();
    const int result = SSL_do_handshake(self->ssl_.get());
    const int error = SSL_get_error(self->ssl_.get(), result);
    const std::string reason = result == 1 || error == SSL_ERROR_WANT_READ ? "" : tls_reason();
    // Even a failure has something to send: the alert that says why.
    const Status sent = co_await flush(self, deadline);
    if (!reason.empty()) co_return fail(Code::kUnauthenticated, "TLS handshake: " + reason);
    if (!sent) co_return sent;
    if (result == 1 && self->by_psk_ && SSL_session_reused(self->ssl_.get()) != 1)
      co_return fail(Code::kUnauthenticated, "TLS handshake: without the shared key");
    if (result == 1) co_return Status();
    HYDRA_CO_TRY(const bool more, co_await receive(self, deadline));
    if (!more) co_return fail(Code::kClosed, "the peer left during the TLS handshake");
  }
}

Task<Status> TlsSession::handshake(Self self, Deadline deadline) {
  while (self->handshake_ == Handshake::kRunning)
    if (!co_await detail::Waiter(*self->loop_, self->handshake_ended_, deadline))
      co_return fail(Code::kTimeout, "TLS handshake");
  if (self->handshake_ == Handshake::kDone) co_return Status();
  if (self->handshake_ == Handshake::kFailed)
    co_return fail(Code::kClosed, "the TLS handshake failed");
  if (self->handshake_until_ == 0) self->handshake_until_ = self->loop_->now() + kHandshakePatience;
  self->handshake_ = Handshake::kRunning;
  const Deadline until{std::min(deadline.at, self->handshake_until_)};
  const Status status = co_await take_handshake_steps(self, until);
  // Its caller may try again when only the caller's own deadline passed.
  const bool retry = !status && status.error().code == Code::kTimeout && !self->broken_ &&
                     self->loop_->now() < self->handshake_until_;
  self->handshake_ = status ? Handshake::kDone : retry ? Handshake::kPending : Handshake::kFailed;
  self->handshake_ended_.resume_all();
  co_return status;
}

Task<Result<std::size_t>> TlsSession::read(Self self, MutableBytes into, Deadline deadline) {
  HYDRA_ASSERT(!into.empty());
  if (self->handshake_ != Handshake::kDone) HYDRA_CO_CHECK_OK(co_await handshake(self, deadline));
  std::size_t filled = 0;
  for (;;) {
    HYDRA_CO_CHECK_OK(self->usable());
    ERR_clear_error();
    std::size_t count = 0;
    const int result =
        SSL_read_ex(self->ssl_.get(), into.data() + filled, into.size() - filled, &count);
    filled += count;
    if (result == 1 && filled < into.size()) continue;  // another record may be here already
    const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(self->ssl_.get(), result);
    const std::string reason = error == SSL_ERROR_SSL ? tls_reason() : "";
    if (!self->outgoing_.empty()) (void)co_await flush(self, deadline);  // a key update, an alert
    if (filled > 0) co_return filled;
    if (error == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
    if (error != SSL_ERROR_WANT_READ) {
      self->broken_ = true;
      co_return fail(Code::kCorrupt, "TLS: " + reason);
    }
    HYDRA_CO_TRY(const bool more, co_await receive(self, deadline));
    if (more) continue;
    // Without close_notify. HTTP knows its lengths, and notices by itself what was cut off.
    if (!self->by_psk_) co_return std::size_t{0};
    self->broken_ = true;
    co_return fail(Code::kClosed, "the stream was cut off");
  }
}

Task<Status> TlsSession::write(Self self, std::span<const ByteView> pieces, Deadline deadline) {
  if (self->handshake_ != Handshake::kDone) HYDRA_CO_CHECK_OK(co_await handshake(self, deadline));
  for (ByteView piece : pieces) {
    while (!piece.empty()) {
      HYDRA_CO_CHECK_OK(self->usable());
      ERR_clear_error();
      const ByteView step = piece.first(std::min(piece.size(), kFlushAtBytes));
      std::size_t count = 0;
      if (SSL_write_ex(self->ssl_.get(), step.data(), step.size(), &count) != 1) {
        self->broken_ = true;
        co_return fail(Code::kClosed, "TLS: " + tls_reason());
      }
      piece = piece.subspan(count);
      if (self->outgoing_.size() >= kFlushAtBytes)
        HYDRA_CO_CHECK_OK(co_await flush(self, deadline));
    }
  }
  const Status status = co_await flush(self, deadline);
  if (!self->flushing_ && self->outgoing_.capacity() + self->sending_.capacity() > kKeptBytes)
    self->outgoing_ = self->sending_ = std::string();
  co_return status;
}

void TlsSession::close() {
  if (inner_ == nullptr) return;
  const bool idle = !receiving_ && !flushing_;
  if (handshake_ == Handshake::kDone && idle && !broken_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    loop_->spawn(say_goodbye(*loop_, std::move(inner_), std::move(outgoing_)));
    return;
  }
  // A pending call holds this session and so the inner stream; closing that ends the call.
  broken_ = true;
  inner_->close();
  if (idle) inner_.reset();
  handshake_ended_.resume_all();
  flush_ended_.resume_all();
}

Task<void> TlsSession::say_goodbye(Loop& loop, std::unique_ptr<Stream> inner, std::string bytes) {
  const ByteView piece = as_bytes(bytes);
  (void)co_await inner->write({&piece, 1}, loop.after(kGoodbyePatience));
  inner->close();
}

void TlsSession::move_to(Self self, Loop& target, std::function<void()> then) {
  Stream& inner = *self->inner_;
  inner.move_to(target, std::move(self->inner_),
                [self, &target, then = std::move(then)](std::unique_ptr<Stream> moved) {
                  self->inner_ = std::move(moved);
                  self->loop_ = &target;
                  then();
                });
}

class TlsStream final : public Stream {
 public:
  explicit TlsStream(std::shared_ptr<TlsSession> session) : session_(std::move(session)) {}
  ~TlsStream() override { session_->close(); }

  Task<Result<std::size_t>> read(MutableBytes into, Deadline deadline) override {
    return TlsSession::read(session_, into, deadline);
  }
  Task<Status> write(std::span<const ByteView> pieces, Deadline deadline) override {
    return TlsSession::write(session_, pieces, deadline);
  }
  void close() override { session_->close(); }
  void move_to(Loop& target, std::unique_ptr<Stream> self,
               std::function<void(std::unique_ptr<Stream>)> then) override {
    HYDRA_ASSERT(self.get() == this);
    auto stream = std::make_shared<std::unique_ptr<Stream>>(std::move(self));
    TlsSession::move_to(session_, target,
                        [stream, then = std::move(then)] { then(std::move(*stream)); });
  }
  std::string peer() const override { return session_->peer(); }
  bool encrypted() const override { return true; }

 private:
  std::shared_ptr<TlsSession> session_;
};

class OpensslContext : public TlsContext {
 public:
  OpensslContext(Role role, SslContextPtr context, bool by_psk = false)
      : role_(role), context_(std::move(context)), by_psk_(by_psk) {}

  std::unique_ptr<Stream> wrap(Loop& loop, std::unique_ptr<Stream> inner) const override {
    SslPtr ssl(SSL_new(context_.get()));
    HYDRA_ASSERT(ssl != nullptr);
    if (role_ == Role::kServer)
      SSL_set_accept_state(ssl.get());
    else
      SSL_set_connect_state(ssl.get());
    return std::make_unique<TlsStream>(std::make_shared<TlsSession>(
        loop, std::move(inner), shared_from_this(), std::move(ssl), by_psk_));
  }

 protected:
  SSL_CTX* context() { return context_.get(); }

 private:
  Role role_;
  SslContextPtr context_;
  bool by_psk_;
};

// The suites of the hash that our keys are bound to; the second is for machines without AES.
constexpr const char* kPskSuites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
constexpr unsigned char kPskSuite[] = {0x13, 0x01};  // the first of these
constexpr std::size_t kMaxPskIdentityBytes = 128;

// As OpenSSL wants an external key: a session that never was. nullptr when it has no memory.
SSL_SESSION* psk_session(SSL* ssl, const TlsKey& key) {
  SSL_SESSION* const session = SSL_SESSION_new();
  const SSL_CIPHER* const suite = SSL_CIPHER_find(ssl, kPskSuite);
  HYDRA_ASSERT(suite != nullptr);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(key.data());
  if (session != nullptr && SSL_SESSION_set1_master_key(session, bytes, key.size()) == 1 &&
      SSL_SESSION_set_cipher(session, suite) == 1 &&
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
    return session;
  SSL_SESSION_free(session);
  return nullptr;
}

SslContextPtr new_psk_context(bool server) {
  SslContextPtr context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  HYDRA_ASSERT(context != nullptr);
  HYDRA_ASSERT(SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_ciphersuites(context.get(), kPskSuites) == 1 &&
               SSL_CTX_set1_groups_list(context.get(), "X25519:P-256") == 1 &&
               SSL_CTX_set_num_tickets(context.get(), 0) == 1);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  // A server that shows a certificate instead is trusted by nobody.
  if (!server) SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

class PskClient final : public OpensslContext {
 public:
  explicit PskClient(TlsPsk psk)
      : OpensslContext(Role::kClient, new_psk_context(false), true), psk_(std::move(psk)) {
    SSL_CTX_set_app_data(context(), this);
    SSL_CTX_set_psk_use_session_callback(context(), use_session);
  }
  ~PskClient() override { secure_clear(psk_.key); }

 private:
  static int use_session(SSL* ssl, const EVP_MD*, const unsigned char** identity,
                         std::size_t* identity_bytes, SSL_SESSION** session) {
    const auto& psk =
        static_cast<const PskClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->psk_;
    *identity = reinterpret_cast<const unsigned char*>(psk.identity.data());
    *identity_bytes = psk.identity.size();
    *session = psk_session(ssl, psk.key);
    return *session == nullptr ? 0 : 1;
  }

  TlsPsk psk_;
};

class PskServer final : public OpensslContext {
 public:
  explicit PskServer(FindPsk find)
      : OpensslContext(Role::kServer, new_psk_context(true), true), find_(std::move(find)) {
    SSL_CTX_set_app_data(context(), this);
    SSL_CTX_set_psk_find_session_callback(context(), find_session);
  }

 private:
  static int find_session(SSL* ssl, const unsigned char* identity, std::size_t identity_bytes,
                          SSL_SESSION** session) {
    *session = nullptr;
    if (identity_bytes > kMaxPskIdentityBytes) return 1;
    const auto& self = *static_cast<const PskServer*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    auto key = self.find_({reinterpret_cast<const char*>(identity), identity_bytes},
                          static_cast<const TlsSession*>(SSL_get_app_data(ssl))->peer());
    if (!key) return 1;  // and the handshake fails, as there is no certificate
    *session = psk_session(ssl, *key);
    secure_clear(*key);
    return *session == nullptr ? 0 : 1;
  }

  FindPsk find_;
};

Status use_identity(SSL_CTX* context, const TlsConfig& identity) {
  const auto bad = [](const std::string& what) {
    return fail(Code::kInvalidArgument, what + ": " + tls_reason());
  };
  if (SSL_CTX_use_certificate_chain_file(context, identity.certificate_path.c_str()) != 1)
    return bad("cannot use the certificate " + identity.certificate_path);
  if (SSL_CTX_use_PrivateKey_file(context, identity.key_path.c_str(), SSL_FILETYPE_PEM) != 1)
    return bad("cannot use the private key " + identity.key_path);
  if (SSL_CTX_check_private_key(context) != 1)
    return bad("the key " + identity.key_path + " does not belong to " + identity.certificate_path);
  return {};
}

}  // namespace

std::shared_ptr<const TlsContext> TlsContext::psk_client(const TlsPsk& psk) {
  HYDRA_ASSERT(!psk.identity.empty() && psk.identity.size() <= kMaxPskIdentityBytes);
  return std::make_shared<const PskClient>(psk);
}

std::shared_ptr<const TlsContext> TlsContext::psk_server(FindPsk find) {
  return std::make_shared<const PskServer>(std::move(find));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const Options& options) {
  ERR_clear_error();
  const bool server = options.role == Role::kServer;
  SslContextPtr context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  if (context == nullptr) return fail(Code::kInternal, "TLS: " + tls_reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (server && !options.identity)
    return fail(Code::kInvalidArgument, "a TLS server needs a certificate");
  if (options.identity) HYDRA_CHECK_OK(use_identity(context.get(), *options.identity));
  if (options.trust_path) {
    if (SSL_CTX_load_verify_file(context.get(), options.trust_path->c_str()) != 1)
      return fail(Code::kInvalidArgument, "cannot use the trusted certificates " +
                                              *options.trust_path + ": " + tls_reason());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    constexpr unsigned char kSessions[] = "hydra";
    SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof kSessions - 1);
  }
  return std::make_shared<const OpensslContext>(options.role, std::move(context));
}

}  // namespace hydra
