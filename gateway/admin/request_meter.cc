#include "gateway/admin/request_meter.h"

#include <fmt/format.h>

namespace hydra::admin {

RequestMeter::RequestMeter(metrics::Registry& registry)
    : registry_(registry),
      in_flight_(registry.gauge("hydra_s3_requests_in_flight", "S3 requests being served.")),
      received_(registry.counter("hydra_s3_received_bytes_total",
                                 "Bytes of request bodies, without HTTP framing.")),
      sent_(registry.counter("hydra_s3_sent_bytes_total",
                             "Bytes of response bodies, without HTTP framing.")) {}

void RequestMeter::count(std::string_view operation, int outcome, Nanos duration) {
  const auto [found, fresh] = series_.try_emplace({operation, outcome / 100});
  Series& series = found->second;
  if (fresh) {
    const metrics::Labels labels = {
        {"operation", std::string(operation)},
        {"status", outcome == kCut ? "cut" : fmt::format("{}xx", outcome / 100)}};
    series.requests = &registry_.counter("hydra_s3_requests_total", "S3 requests.", labels);
    series.seconds =
        &registry_.histogram("hydra_s3_request_seconds",
                             "Time from the head of a request to the end of its answer.", labels);
  }
  series.requests->add();
  series.seconds->observe_ns(duration);
}

MeteredExchange::MeteredExchange(http::Exchange& inner, RequestMeter& meter)
    : inner_(inner), meter_(meter), body_(*this), begun_(inner.loop().now()) {
  meter_.in_flight_.add(1);
}

MeteredExchange::~MeteredExchange() { meter_.in_flight_.add(-1); }

void MeteredExchange::end(std::string_view operation) {
  meter_.count(operation, complete_ ? status_ : RequestMeter::kCut, inner_.loop().now() - begun_);
}

Task<Status> MeteredExchange::respond(http::ResponseHead head, std::string_view body) {
  status_ = head.status;
  if (request().method != "HEAD") meter_.sent_.add(body.size());
  return inner_.respond(std::move(head), body);
}

Task<Status> MeteredExchange::start(http::ResponseHead head, std::optional<std::uint64_t> length) {
  status_ = head.status;
  complete_ = false;
  return inner_.start(std::move(head), length);
}

Task<Status> MeteredExchange::write(ByteView bytes) {
  meter_.sent_.add(bytes.size());
  return inner_.write(bytes);
}

Task<Status> MeteredExchange::finish() {
  auto status = co_await inner_.finish();
  complete_ = status.has_value();
  co_return status;
}

Task<Result<std::size_t>> MeteredExchange::Body::read(MutableBytes into) {
  auto got = co_await owner.inner_.body().read(into);
  if (got) owner.meter_.received_.add(*got);
  co_return got;
}

}  // namespace hydra::admin
