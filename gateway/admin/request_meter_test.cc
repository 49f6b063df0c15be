#include "gateway/admin/request_meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/http/connection.h"
#include "gateway/http/memory_stream.h"

namespace hydra::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

// One connection whose handler is metered.
struct Metered {
  http::ManualLoop loop;
  metrics::Registry registry;
  RequestMeter meter{registry};
  std::shared_ptr<http::Wire> wire = std::make_shared<http::Wire>();
  std::shared_ptr<http::Server> server;

  explicit Metered(http::Handler handler) {
    http::ServerOptions options;
    options.handler = [this, handler = std::move(handler)](http::Exchange& exchange) {
      return meter_it(this, &handler, exchange);
    };
    server = http::Server::create(loop, std::move(options));
  }
  static Task<void> meter_it(Metered* self, const http::Handler* handler,
                             http::Exchange& exchange) {
    MeteredExchange metered(exchange, self->meter);
    co_await (*handler)(metered);
    metered.end("PutObject");
  }
  std::string serve(std::string_view request) {
    server->serve(std::make_unique<http::MemoryStream>(loop, wire));
    wire->send(request);
    loop.settle();
    return wire->received();
  }
  std::string text() const { return registry.exposition(); }
};

Task<void> read_and_answer(http::Exchange& exchange) {
  Buffer into(64);
  into.resize(64);
  EXPECT_EQ(co_await exchange.body().read(into.span()), 5u);
  EXPECT_TRUE(co_await exchange.respond({.status = 201}, "made"));
}
Task<void> stream_whole(http::Exchange& exchange) {
  EXPECT_TRUE(co_await exchange.start({}, 6));
  EXPECT_TRUE(co_await exchange.write(as_bytes("abc")));
  EXPECT_TRUE(co_await exchange.write(as_bytes("def")));
  EXPECT_TRUE(co_await exchange.finish());
}
Task<void> stream_half(http::Exchange& exchange) {
  EXPECT_TRUE(co_await exchange.start({}, 6));
  EXPECT_TRUE(co_await exchange.write(as_bytes("abc")));
}
Task<void> answer_late(http::Exchange& exchange) {
  co_await sleep_for(exchange.loop(), 2 * kSecond);
  EXPECT_TRUE(co_await exchange.respond({.status = 404}, "no"));
}
Task<void> do_nothing(http::Exchange&) { co_return; }

constexpr const char* kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

TEST(RequestMeter, CountsByOperationAndClassWithBytesOfBothBodies) {
  Metered metered(read_and_answer);
  EXPECT_THAT(metered.serve("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
              HasSubstr(" 201 "));
  const std::string text = metered.text();
  EXPECT_THAT(text,
              HasSubstr("hydra_s3_requests_total{operation=\"PutObject\",status=\"2xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hydra_s3_received_bytes_total 5\n"));
  EXPECT_THAT(text, HasSubstr("hydra_s3_sent_bytes_total 4\n"));
}

TEST(RequestMeter, StreamedResponseCountsOnce) {
  Metered metered(stream_whole);
  EXPECT_THAT(metered.serve(kGet), HasSubstr("abcdef"));
  EXPECT_THAT(metered.text(), HasSubstr("{operation=\"PutObject\",status=\"2xx\"} 1\n"));
  EXPECT_THAT(metered.text(), HasSubstr("hydra_s3_sent_bytes_total 6\n"));
}

TEST(RequestMeter, ResponseThatEndsInTheMiddleIsCut) {
  Metered metered(stream_half);
  metered.serve(kGet);
  EXPECT_THAT(metered.text(), HasSubstr("{operation=\"PutObject\",status=\"cut\"} 1\n"));
  EXPECT_THAT(metered.text(), Not(HasSubstr("2xx")));
}

TEST(RequestMeter, HandlerThatDoesNotAnswerIsAServerError) {
  Metered metered(do_nothing);
  EXPECT_THAT(metered.serve(kGet), HasSubstr(" 500 "));
  EXPECT_THAT(metered.text(), HasSubstr("{operation=\"PutObject\",status=\"5xx\"} 1\n"));
}

TEST(RequestMeter, TimesFromHeadToEndAndShowsWhatIsInFlight) {
  Metered metered(answer_late);
  metered.serve(kGet);
  EXPECT_THAT(metered.text(), HasSubstr("hydra_s3_requests_in_flight 1\n"));
  metered.loop.advance(3 * kSecond);
  EXPECT_THAT(metered.text(), HasSubstr("hydra_s3_requests_in_flight 0\n"));
  EXPECT_THAT(
      metered.text(),
      HasSubstr("hydra_s3_request_seconds_sum{operation=\"PutObject\",status=\"4xx\"} 2\n"));
}

TEST(RequestMeter, HeadSendsNoBody) {
  Metered metered(answer_late);
  metered.serve("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
  metered.loop.advance(3 * kSecond);
  EXPECT_THAT(metered.text(), HasSubstr("hydra_s3_sent_bytes_total 0\n"));
}

}  // namespace
}  // namespace hydra::admin
