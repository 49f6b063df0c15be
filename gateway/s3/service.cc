#include "gateway/s3/service.h"

#include "base/encoding.h"
#include "base/endian.h"
#include "base/log.h"
#include "gateway/s3/error_table.h"
#include "gateway/s3/router.h"

namespace hydra::s3 {

Service::Service(object::ObjectStore& store, std::shared_ptr<const CredentialStore> credentials,
                 ServiceOptions options)
    : store_(store), verifier_(std::move(credentials)), options_(std::move(options)) {}

std::string Service::new_request_id() {
  std::array<std::byte, 8> raw;
  store_be(raw.data(), store_.loop().random_u64());
  std::string id = hex_encode(raw);
  for (char& c : id)
    if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
  return id;
}

Task<std::string_view> Service::handle(http::Exchange& exchange) {
  const std::string request_id = new_request_id();
  std::string_view name = "none";
  Status status = co_await serve(exchange, request_id, name);
  if (!status) co_await answer_error(exchange, status.error(), request_id, {});
  co_return name;
}

Task<Status> Service::serve(http::Exchange& exchange, const std::string& request_id,
                            std::string_view& name) {
  const http::Request& request = exchange.request();
  const std::int64_t now_ms = store_.loop().wall_ms();
  HYDRA_CO_TRY(Authenticated who, verifier_.verify(request, now_ms));
  if (who.principal.anonymous) co_return fail(Code::kAccessDenied);
  HYDRA_CO_TRY(Query query, Query::parse(request.query));
  HYDRA_CO_TRY(Target target, find_target(request, options_.domains));
  Call call{exchange,
            store_,
            options_,
            std::move(who),
            std::move(query),
            std::move(target.bucket),
            std::move(target.key),
            request_id,
            now_ms};
  HYDRA_CO_TRY(Operation operation, route(call));
  name = operation_name(operation, call);
  Status status = co_await operation(call);
  if (status) co_return status;
  co_await answer_error(exchange, status.error(), request_id, std::move(call.error_fields));
  co_return Status();
}

Task<void> Service::answer_error(http::Exchange& exchange, const Error& error,
                                 const std::string& request_id, Fields fields) {
  const ErrorRow& row = error_row(error.code);
  if (row.status >= 500 && error.code != Code::kNotImplemented)
    log::warning("{} {} {}: {}", request_id, exchange.request().method, exchange.request().path,
                 error.to_string());
  if (exchange.started()) {  // too late to say it: cutting the connection shows it
    exchange.close_after();
    co_return;
  }
  http::ResponseHead head;
  head.status = row.status;
  head.fields = std::move(fields);
  head.add("x-amz-request-id", request_id);
  std::string body;
  if (row.status != 304) {
    head.add("Content-Type", "application/xml");
    body = render_error(error, exchange.request().path, request_id);
  }
  // A client that is gone by now is no error of ours.
  (void)co_await exchange.respond(std::move(head), body);
}

std::string Service::render(const Error& error, http::ResponseHead& head) {
  const std::string request_id = new_request_id();
  head.status = error_row(error.code).status;
  head.add("x-amz-request-id", request_id);
  head.add("Content-Type", "application/xml");
  return render_error(error, "", request_id);
}

Result<catalog::Bucket> Call::open_bucket(std::string_view name) {
  HYDRA_TRY(catalog::Bucket found, catalog().bucket(name));
  if (found.owner.id != who.principal.user_id && !who.principal.root)
    return fail(Code::kAccessDenied);
  const auto expected = header("x-amz-expected-bucket-owner");
  if (expected && *expected != found.owner.id) return fail(Code::kAccessDenied);
  return found;
}

http::ResponseHead Call::answer(int status) const {
  constexpr std::size_t kUsualFields = 12;
  http::ResponseHead head;
  head.status = status;
  head.fields.reserve(kUsualFields);
  head.add("x-amz-request-id", request_id);
  return head;
}

Task<Status> Call::respond_xml(std::string body, int status) {
  http::ResponseHead head = answer(status);
  head.add("Content-Type", "application/xml");
  co_return co_await http.respond(std::move(head), body);
}

Task<Result<std::string>> Call::document(std::size_t limit, PayloadChecks checks) {
  checks.length_required = false;
  HYDRA_CO_TRY(auto payload, open_payload(http, who, checks));
  if (payload->length() > limit) co_return fail(Code::kMaxMessageLengthExceeded);
  std::string text(payload->length() + 1, '\0');
  HYDRA_CO_TRY(const std::size_t got,
               co_await payload->read(std::as_writable_bytes(std::span(text))));
  text.resize(got);
  co_return text;
}

}  // namespace hydra::s3
