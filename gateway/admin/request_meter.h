// RequestMeter: counts the S3 requests of one worker, by operation and outcome, with their time and
// their bytes. Belongs to its worker's loop; the series it counts in are shared by all workers
// through the registry.
#pragma once

#include <map>
#include <string_view>
#include <utility>

#include "base/metrics.h"
#include "gateway/http/http.h"

namespace hydra::admin {

class RequestMeter {
 public:
  explicit RequestMeter(metrics::Registry& registry);

  // `operation` is of static storage. `outcome`: a status, or kCut.
  void count(std::string_view operation, int outcome, Nanos duration);
  // A request that was refused before it had an operation.
  void count_refused(int status) { count("none", status, 0); }

  static constexpr int kCut = 0;  // the response began, and ended in the middle

 private:
  friend class MeteredExchange;
  struct Series {
    metrics::Counter* requests;
    metrics::Histogram* seconds;
  };

  metrics::Registry& registry_;
  metrics::Gauge& in_flight_;
  metrics::Counter& received_;
  metrics::Counter& sent_;
  std::map<std::pair<std::string_view, int>, Series> series_;  // by operation and class of outcome
};

// The exchange of one request, metered. Lives in the handler's frame.
class MeteredExchange final : public http::Exchange {
 public:
  MeteredExchange(http::Exchange& inner, RequestMeter& meter);
  ~MeteredExchange() override;
  // The handler is done with it.
  void end(std::string_view operation);

  const http::Request& request() const override { return inner_.request(); }
  std::string peer() const override { return inner_.peer(); }
  bool encrypted() const override { return inner_.encrypted(); }
  Loop& loop() override { return inner_.loop(); }
  ByteSource& body() override { return body_; }
  Task<Status> respond(http::ResponseHead head, std::string_view body) override;
  Task<Status> start(http::ResponseHead head, std::optional<std::uint64_t> length) override;
  Task<Status> write(ByteView bytes) override;
  Task<Status> finish() override;
  bool started() const override { return inner_.started(); }
  void close_after() override { inner_.close_after(); }

 private:
  struct Body final : ByteSource {
    explicit Body(MeteredExchange& exchange) : owner(exchange) {}
    Task<Result<std::size_t>> read(MutableBytes into) override;
    MeteredExchange& owner;
  };

  http::Exchange& inner_;
  RequestMeter& meter_;
  Body body_;
  Nanos begun_;
  int status_ = 500;  // what the connection answers when the handler does not
  bool complete_ = true;
};

}  // namespace hydra::admin
