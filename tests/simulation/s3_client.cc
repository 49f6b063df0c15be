#include "tests/simulation/s3_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/crypto.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "gateway/s3/auth/sigv4.h"

namespace hydra::gridsim {

namespace {

constexpr Nanos kPatience = 60 * kSecond;  // of each read and write
constexpr const char* kAccessKey = "AKIASIMULATION";
constexpr const char* kSecretKey = "a-secret-of-the-simulation";
constexpr const char* kRegion = "us-east-1";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string S3Answer::etag() const {
  const auto found = fields.find("etag");
  if (found == fields.end() || found->second.size() < 2) return {};
  return found->second.substr(1, found->second.size() - 2);
}

s3::Credential S3Client::credential() {
  s3::Credential credential{.access_key = kAccessKey, .secret_key = kSecretKey};
  credential.owner.user_id = "owner";
  credential.owner.display_name = "Owner";
  return credential;
}

// While the task lives. The stream goes with it: it belongs to the loop.
struct S3Client::Busy {
  explicit Busy(S3Client& owner) : client(owner) { client.busy_ = true; }
  ~Busy() {
    client.stream_.reset();
    client.busy_ = false;
  }
  S3Client& client;
};

Task<void> S3Client::run(S3Client* self) {
  const Busy busy(*self);
  while (!self->stopping_) {
    co_await self->step();
    co_await sleep_for(self->loop_, self->prng_.in(self->options_.think));
  }
}

Task<void> S3Client::step() {
  const auto dice = prng_.below(100);
  if (options_.races) {
    const std::string& key =
        options_.keys[prng_.below(std::min<std::size_t>(2, options_.keys.size()))];
    return dice < 85 ? take_turn(key) : get(key, dice % 2 == 0);
  }
  if (dice < 27) return put(pick_key());
  if (dice < 47) return get(pick_key(), false);
  if (dice < 51) return get(pick_key(), true);
  if (dice < 60) return remove(pick_key());
  if (dice < 66) return copy(pick_key(), pick_key());
  if (dice < 80) return take_turn(options_.keys.front());
  if (dice < 94) return upload(pick_key());
  return list();
}

std::string S3Client::target_of(const std::string& key) const {
  return "/" + bucket_ + "/" + percent_encode(key, true);
}

std::string S3Client::signed_head(const std::string& method, const std::string& target,
                                  Fields fields, const std::string& body) {
  const std::string date = format_amz_date(loop_.wall_ms());
  const std::string hash =
      prng_.chance(0.5) ? "UNSIGNED-PAYLOAD" : hex_encode(as_text(sha256(as_bytes(body))));
  fields.emplace_back("host", "s3.simulation");
  fields.emplace_back("x-amz-content-sha256", hash);
  fields.emplace_back("x-amz-date", date);
  std::sort(fields.begin(), fields.end());

  http::Request request;
  request.method = method;
  request.target = target;
  const auto mark = std::min(target.find('?'), target.size());
  request.path = request.target.substr(0, mark);
  request.query = request.target.substr(std::min(mark + 1, target.size()));
  std::string names;
  for (const auto& [name, value] : fields) {
    request.fields.push_back({name, value});
    names += (names.empty() ? "" : ";") + name;
  }
  const s3::CredentialScope scope{kAccessKey, date.substr(0, 8), kRegion, "s3"};
  const auto canonical =
      s3::canonical_request(request, *s3::parse_signed_headers(names), names, hash);
  const std::string signature = s3::sign(s3::derive_signing_key(kSecretKey, scope),
                                         s3::string_to_sign(date, scope.text(), *canonical));

  std::string head = method + " " + target + " HTTP/1.1\r\n";
  for (const auto& [name, value] : fields) head += name + ": " + value + "\r\n";
  head += fmt::format(
      "authorization: AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}\r\n",
      kAccessKey, scope.text(), names, signature);
  if (!body.empty() || method == "PUT" || method == "POST")
    head += fmt::format("content-length: {}\r\n", body.size());
  return head + "\r\n";
}

Task<Status> S3Client::send(std::string head, std::shared_ptr<const std::string> body) {
  const ByteView start = as_bytes(head);
  HYDRA_CO_CHECK_OK(co_await stream_->write({&start, 1}, loop_.after(kPatience)));
  for (std::size_t at = 0; body != nullptr && at < body->size();) {
    if (prng_.chance(0.05)) co_await sleep_for(loop_, prng_.in({0, 500 * kMillisecond}));
    if (prng_.chance(0.005)) co_return fail(Code::kAborted, "the client leaves");
    const std::size_t now = std::min<std::size_t>(body->size() - at, 64u << 10);
    const ByteView piece = as_bytes(*body).subspan(at, now);
    HYDRA_CO_CHECK_OK(co_await stream_->write({&piece, 1}, loop_.after(kPatience)));
    at += now;
  }
  co_return Status();
}

Task<Result<std::size_t>> S3Client::more(std::string& into) {
  Buffer piece(32u << 10);
  piece.resize(piece.capacity());
  HYDRA_CO_TRY(const std::size_t got, co_await stream_->read(piece.span(), loop_.after(kPatience)));
  if (got == 0) co_return fail(Code::kClosed, "the service closed the connection");
  append(into, piece.view().first(got));
  co_return got;
}

Task<Result<S3Answer>> S3Client::receive(bool head_only) {
  std::string received;
  std::size_t end;
  while ((end = received.find("\r\n\r\n")) == std::string::npos)
    HYDRA_CO_CHECK_OK(co_await more(received));
  S3Answer answer;
  answer.status = static_cast<int>(number(received.substr(9, 3)).value_or(0));
  for (std::size_t at = received.find("\r\n") + 2; at < end;) {
    const std::size_t stop = received.find("\r\n", at);
    const std::size_t colon = received.find(':', at);
    answer.fields[lower(received.substr(at, colon - at))] =
        received.substr(colon + 2, stop - colon - 2);
    at = stop + 2;
  }
  const bool empty = head_only || answer.status == 204 || answer.status == 304;
  const std::size_t length = empty ? 0 : number(answer.fields["content-length"]).value_or(0);
  answer.body = received.substr(end + 4);
  while (answer.body.size() < length) {
    if (prng_.chance(0.02)) co_await sleep_for(loop_, prng_.in({0, 500 * kMillisecond}));
    const auto got = co_await more(answer.body);
    if (!got) {
      answer.end = fail(got.error());
      break;
    }
  }
  if (answer.body.size() > length) model_.violation(name_ + ": bytes behind the answer");
  co_return answer;
}

Task<Result<S3Answer>> S3Client::exchange(std::string method, std::string target, Fields fields,
                                          std::shared_ptr<const std::string> body) {
  if (stream_ == nullptr || prng_.chance(0.1)) {
    stream_.reset();
    const Address address{addresses_[prng_.below(addresses_.size())]};
    HYDRA_CO_TRY(stream_, co_await loop_.net().connect(address, loop_.after(5 * kSecond)));
  }
  std::string head = signed_head(method, target, std::move(fields), body ? *body : std::string());
  const Status sent = co_await send(std::move(head), std::move(body));
  // What was refused early is answered all the same.
  auto answer = co_await receive(method == "HEAD");
  if (!sent || !answer || !answer->end || answer->fields["connection"] == "close") stream_.reset();
  if (!answer) ++counters_.failures;
  if (!answer && !sent) co_return fail(sent.error());
  co_return answer;
}

void S3Client::end(Attempt& attempt, const Result<S3Answer>& answer) {
  if (!answer || answer->status == 500 || answer->status == 0) {
    model_.note(name_ + ": " + (answer ? answer->body : answer.error().to_string()));
    return;  // it may have happened
  }
  const int status = answer->status;
  if (status == 200 || status == 204) return attempt.finish(kDone);
  if (status == 412) return attempt.finish(kPreconditionFailed);
  if (status == 404) return attempt.finish(kNoSuchKey);
  ++counters_.failures;
  // 400 also says that the client, cut off, was too slow.
  const bool too_slow = status == 400 && answer->body.find("RequestTimeout") != std::string::npos;
  if (status != 409 && status != 503 && status != 507 && !too_slow)
    model_.violation(fmt::format("{}: answer {}: {}", name_, status, answer->body));
  attempt.never_happened(fmt::format("{} {}", status, answer->body));
}

void S3Client::pick_conditions(const std::string& key, Request& request, Fields& fields) {
  const auto found = model_.keys().find(key);
  const ValueId likely =
      found == model_.keys().end() ? kAbsent : *found->second.possible().rbegin();
  if (likely == kAbsent || prng_.chance(0.3)) {
    request.if_absent = true;
    fields.emplace_back("if-none-match", "*");
  } else {
    request.if_match = model_.value(likely).etag;
    fields.emplace_back("if-match", "\"" + *request.if_match + "\"");
  }
}

Task<void> S3Client::put(std::string key) {
  const auto bytes = random_bytes(prng_.next(), pick_body_bytes(prng_, options_.most_bytes));
  const std::string etag = hex_encode(digest_of(DigestKind::kMd5, as_bytes(*bytes)));
  Request request{.kind = Request::Kind::kPut, .value = model_.intern(etag, bytes)};
  Fields fields;
  if (prng_.chance(0.3)) pick_conditions(key, request, fields);
  Attempt attempt = model_.begin(key, std::move(request), name_);
  const auto answer = co_await exchange("PUT", target_of(key), std::move(fields), bytes);
  ++counters_.puts;
  if (answer && answer->status == 200 && answer->etag() != etag)
    model_.violation(key + ": wrong etag of a put");
  end(attempt, answer);
}

Task<void> S3Client::take_turn(std::string key) {
  Attempt read = model_.begin(key, {}, name_ + " takes its turn:");
  const auto head = co_await exchange("HEAD", target_of(key), {}, nullptr);
  if (!head || (head->status != 200 && head->status != 404)) co_return;
  Request request{.kind = Request::Kind::kPut};
  Fields fields;
  if (head->status == 404) {
    read.finish(kAbsent);
    request.if_absent = true;
    fields.emplace_back("if-none-match", "*");
  } else {
    const auto value = value_of(key, *head);
    if (!value) co_return;
    read.finish(*value);
    request.if_match = head->etag();
    fields.emplace_back("if-match", "\"" + head->etag() + "\"");
    if (prng_.chance(0.2)) {
      request.kind = Request::Kind::kDelete;
      request.outcome_tells_existence = false;
    }
  }
  std::shared_ptr<const std::string> bytes;
  if (request.kind == Request::Kind::kPut) {
    bytes = random_bytes(prng_.next(), prng_.between(16, 64));
    request.value = model_.intern(hex_encode(digest_of(DigestKind::kMd5, as_bytes(*bytes))), bytes);
  }
  ++(bytes ? counters_.puts : counters_.deletes);
  ++counters_.turns;
  Attempt attempt = model_.begin(key, std::move(request), name_ + " takes its turn:");
  end(attempt,
      co_await exchange(bytes ? "PUT" : "DELETE", target_of(key), std::move(fields), bytes));
}

// The part's etag; nullopt when it is not stored after several attempts.
Task<std::optional<std::string>> S3Client::send_part(const std::string& target,
                                                     std::shared_ptr<const std::string> bytes) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto answer = co_await exchange("PUT", target, {}, bytes);
    if (answer && answer->status == 200) co_return answer->etag();
    if (answer && answer->status == 404) co_return std::nullopt;
    co_await sleep_for(loop_, prng_.in({100 * kMillisecond, 2 * kSecond}));
  }
  co_return std::nullopt;
}

Task<void> S3Client::upload(std::string key) {
  const auto started = co_await exchange("POST", target_of(key) + "?uploads=", {}, nullptr);
  if (!started || started->status != 200 || !started->end) co_return;
  const std::size_t begin = started->body.find("<UploadId>") + 10;
  const std::string id = started->body.substr(begin, started->body.find('<', begin) - begin);
  const auto whole = std::make_shared<std::string>();
  std::string document = "<CompleteMultipartUpload>";
  std::string digests;
  // Every part but the last has 5 MiB, so that two are rare.
  const int parts = prng_.chance(0.02) ? 2 : 1;
  for (int number = 1; number <= parts; ++number) {
    const std::size_t size =
        number < parts ? 5u << 20 : pick_body_bytes(prng_, options_.most_bytes);
    const auto bytes = random_bytes(prng_.next(), size);
    const auto etag = co_await send_part(
        fmt::format("{}?partNumber={}&uploadId={}", target_of(key), number, id), bytes);
    if (!etag) co_return;
    const std::string md5 = digest_of(DigestKind::kMd5, as_bytes(*bytes));
    if (*etag != hex_encode(md5)) model_.violation(key + ": wrong etag of a part");
    *whole += *bytes;
    digests += md5;
    document +=
        fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", number, *etag);
    if (prng_.chance(0.3)) co_await sleep_for(loop_, prng_.in({0, 3 * kSecond}));
  }
  const std::string target = target_of(key) + "?uploadId=" + id;
  if (prng_.chance(0.1)) {
    (void)co_await exchange("DELETE", target, {}, nullptr);
    co_return;
  }
  const std::string etag =
      fmt::format("{}-{}", hex_encode(digest_of(DigestKind::kMd5, as_bytes(digests))), parts);
  Request request{.kind = Request::Kind::kPut, .value = model_.intern(etag, whole)};
  Fields fields;
  if (prng_.chance(0.3)) pick_conditions(key, request, fields);
  co_await complete(key, target, document + "</CompleteMultipartUpload>", std::move(request),
                    std::move(fields));
}

// An answer that was lost is asked for again: a completion that is repeated changes nothing.
Task<void> S3Client::complete(std::string key, std::string target, std::string document,
                              Request request, Fields fields) {
  const auto body = std::make_shared<const std::string>(std::move(document));
  const std::string etag = model_.value(request.value).etag;
  Attempt attempt = model_.begin(key, std::move(request), name_ + " completes an upload");
  bool in_doubt = false;
  for (int tries = 0; tries < 5; ++tries) {
    const auto answer = co_await exchange("POST", target, fields, body);
    if (answer && answer->status == 200) {
      ++counters_.uploads;
      if (answer->end && answer->body.find(etag) == std::string::npos)
        model_.violation(key + ": wrong etag of a completed upload");
      co_return attempt.finish(kDone);
    }
    if (answer && !in_doubt && answer->status != 500) co_return end(attempt, answer);
    if (answer && answer->status != 500 && answer->status != 503) co_return;
    in_doubt = true;
    co_await sleep_for(loop_, prng_.in({100 * kMillisecond, 2 * kSecond}));
  }
}

std::optional<ValueId> S3Client::value_of(const std::string& key, const S3Answer& answer) {
  const auto value = model_.find(answer.etag());
  if (!value) model_.violation(key + ": nobody wrote a value with etag " + answer.etag());
  return value;
}

Task<void> S3Client::get(std::string key, bool head) {
  Attempt attempt = model_.begin(key, {}, name_);
  const auto answer = co_await exchange(head ? "HEAD" : "GET", target_of(key), {}, nullptr);
  if (!answer) {
    model_.note(name_ + ": " + answer.error().to_string());
    co_return;
  }
  if (answer->status == 404) {
    attempt.finish(kAbsent);
    co_return;
  }
  if (answer->status != 200) co_return;
  const auto value = value_of(key, *answer);
  if (!value) co_return;
  attempt.finish(*value);
  if (head || !answer->end) co_return;
  ++counters_.gets;
  if (answer->body != *model_.value(*value).bytes) model_.violation(key + ": wrong bytes");
}

Task<void> S3Client::remove(std::string key) {
  Request request{.kind = Request::Kind::kDelete, .outcome_tells_existence = false};
  Fields fields;
  if (prng_.chance(0.3)) {
    pick_conditions(key, request, fields);
    if (request.if_absent) fields.clear();
    request.if_absent = false;
  }
  Attempt attempt = model_.begin(key, std::move(request), name_);
  const auto answer = co_await exchange("DELETE", target_of(key), std::move(fields), nullptr);
  ++counters_.deletes;
  end(attempt, answer);
}

// The source is read within the service: any value that it held meanwhile may be the one.
Task<void> S3Client::copy(std::string from, std::string to) {
  if (from == to) co_return;
  Attempt read = model_.begin(from, {}, name_);
  const auto head = co_await exchange("HEAD", target_of(from), {}, nullptr);
  if (!head || head->status != 200) co_return;
  const auto value = value_of(from, *head);
  if (!value) co_return;
  read.finish(*value);
  Attempt attempt = model_.begin(to, {.kind = Request::Kind::kPut, .value = *value}, name_);
  const auto answer =
      co_await exchange("PUT", target_of(to),
                        {{"x-amz-copy-source", "/" + bucket_ + "/" + percent_encode(from, true)},
                         {"x-amz-copy-source-if-match", "\"" + head->etag() + "\""}},
                        nullptr);
  ++counters_.copies;
  // The source has changed meanwhile.
  if (answer && (answer->status == 412 || answer->status == 404))
    attempt.never_happened("the source has changed");
  else
    end(attempt, answer);
}

Task<void> S3Client::list() {
  std::map<std::string, Attempt> reads;
  for (const std::string& key : options_.keys)
    reads.emplace(key, model_.begin(key, {}, name_ + " lists"));
  const auto answer = co_await exchange("GET", "/" + bucket_ + "?list-type=2", {}, nullptr);
  if (!answer || answer->status != 200 || !answer->end) co_return;
  const std::string& xml = answer->body;
  const auto text = [&](std::string_view element, std::size_t at) {
    const std::size_t begin = xml.find(fmt::format("<{}>", element), at) + element.size() + 2;
    return xml.substr(begin, xml.find(fmt::format("</{}>", element), begin) - begin);
  };
  for (std::size_t at = 0; (at = xml.find("<Contents>", at)) != std::string::npos; ++at) {
    const std::string key = text("Key", at);
    std::string etag = text("ETag", at);
    for (const char* quote : {"&quot;", "\""})
      while (etag.find(quote) != std::string::npos)
        etag.erase(etag.find(quote), std::string_view(quote).size());
    const auto value = model_.find(etag);
    const auto read = reads.find(key);
    if (!value || read == reads.end()) {
      model_.violation(key + ": listed, but nobody wrote this");
      continue;
    }
    read->second.finish(*value);
    reads.erase(read);
  }
  for (auto& [key, read] : reads) read.finish(kAbsent);
  ++counters_.lists;
}

}  // namespace hydra::gridsim
