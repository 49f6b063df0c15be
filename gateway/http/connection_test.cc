#include "gateway/http/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/http/memory_stream.h"

namespace hydra::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Task<Result<std::string>> read_all(ByteSource& source) {
  std::string all;
  Buffer piece(64 * 1024);
  piece.resize(piece.capacity());
  while (true) {
    HYDRA_CO_TRY(const std::size_t count, co_await source.read(piece.span()));
    append(all, piece.view().first(count));
    if (count < piece.size()) co_return all;
  }
}

// Reads the body and answers "METHOD path body".
Task<void> echo(Exchange& exchange) {
  auto body = co_await read_all(exchange.body());
  ResponseHead head;
  if (!body) {
    head.status = 400;
    (void)co_await exchange.respond(std::move(head), code_name(body.error().code));
    co_return;
  }
  const Request& request = exchange.request();
  const std::string text =
      std::string(request.method) + " " + std::string(request.path) + " " + *body;
  (void)co_await exchange.respond(std::move(head), text);
}

// Answers without a look at the body.
Task<void> deny(Exchange& exchange) {
  ResponseHead head;
  head.status = 403;
  (void)co_await exchange.respond(std::move(head), "no");
}

Task<void> stream_pieces(Exchange& exchange) {
  ResponseHead head;
  std::optional<std::uint64_t> length;
  if (exchange.request().query == "length") length = 10;
  if (exchange.request().query == "short") length = 11;
  (void)co_await exchange.start(std::move(head), length);
  (void)co_await exchange.write(as_bytes("01234"));
  (void)co_await exchange.write(as_bytes("56789"));
  if (exchange.request().query != "unfinished") (void)co_await exchange.finish();
}

Task<void> answer_nothing(Exchange&) { co_return; }

class ConnectionTest : public testing::Test {
 protected:
  std::shared_ptr<Server> serve(Handler handler, Limits limits = {}, std::size_t connections = 10) {
    server_ = Server::create(
        loop_, {.handler = std::move(handler), .limits = limits, .max_connections = connections});
    return server_;
  }
  std::shared_ptr<Wire> connect() {
    auto wire = std::make_shared<Wire>();
    server_->acceptor()(std::make_unique<MemoryStream>(loop_, wire));
    loop_.settle();
    return wire;
  }
  // Sends on a new connection and returns it when all is quiet.
  std::shared_ptr<Wire> send(std::string_view text) {
    auto wire = connect();
    wire->send(text);
    loop_.settle();
    return wire;
  }

  ManualLoop loop_;
  std::shared_ptr<Server> server_;
};

TEST_F(ConnectionTest, AnswersInOneWriteAndKeepsTheConnection) {
  serve(echo);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_EQ(wire->writes.size(), 1u);
  EXPECT_EQ(wire->writes[0],
            "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nDate: Sun, 01 Mar 2026 12:00:01 GMT\r\n\r\n"
            "PUT /k hello");
  wire->send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  loop_.settle();
  EXPECT_THAT(wire->received(), EndsWith("GET /2 "));
  EXPECT_FALSE(wire->closed);
  EXPECT_EQ(server_->requests(), 2u);
}

TEST_F(ConnectionTest, PipelinedRequestsAreAnsweredInOrder) {
  serve(echo);
  auto wire = send(
      "PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na"
      "PUT /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbc\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  ASSERT_EQ(wire->writes.size(), 3u);
  EXPECT_THAT(wire->writes[0], EndsWith("PUT /1 a"));
  EXPECT_THAT(wire->writes[1], EndsWith("PUT /2 bc"));
  EXPECT_THAT(wire->writes[2], EndsWith("GET /3 "));
  EXPECT_THAT(wire->writes[2], HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(wire->closed);
}

TEST_F(ConnectionTest, OneByteAtATimeGivesTheSameAnswers) {
  serve(echo);
  const std::string text =
      "PUT /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "b\r\n0123456789a\r\n1;x=y\r\nb\r\n0\r\nA: b\r\n\r\n"
      "PUT /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
  auto wire = connect();
  wire->max_read = 1;
  wire->send(text);
  loop_.settle();
  ASSERT_EQ(wire->writes.size(), 2u);
  EXPECT_THAT(wire->writes[0], EndsWith("PUT /1 0123456789ab"));
  EXPECT_THAT(wire->writes[1], EndsWith("PUT /2 abc"));
}

TEST_F(ConnectionTest, ContinueIsSentWhenTheBodyIsFirstRead) {
  serve(echo);
  auto wire =
      send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-CONTINUE\r\n\r\n");
  ASSERT_EQ(wire->writes.size(), 1u);
  EXPECT_EQ(wire->writes[0], "HTTP/1.1 100 Continue\r\n\r\n");
  wire->send("ok");
  loop_.settle();
  ASSERT_EQ(wire->writes.size(), 2u);
  EXPECT_THAT(wire->writes[1], EndsWith("PUT /k ok"));
  EXPECT_FALSE(wire->closed);
}

TEST_F(ConnectionTest, ContinuePrecedesTheAnswerToAnEmptyBody) {
  for (const auto& handler : {Handler(echo), Handler(deny)}) {
    serve(handler);
    auto wire =
        send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
    ASSERT_EQ(wire->writes.size(), 1u);
    EXPECT_THAT(wire->writes[0], StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "));
    EXPECT_FALSE(wire->closed);
  }
}

TEST_F(ConnectionTest, ContinueIsNotSentToAClientThatDidNotWait) {
  serve(echo);
  auto wire =
      send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok");
  ASSERT_EQ(wire->writes.size(), 1u);
  EXPECT_THAT(wire->writes[0], EndsWith("PUT /k ok"));
}

TEST_F(ConnectionTest, RefusalInsteadOfContinueClosesTheConnection) {
  serve(deny);
  auto wire =
      send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_EQ(wire->writes.size(), 1u);
  EXPECT_THAT(wire->writes[0], StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(wire->writes[0], HasSubstr("Connection: close\r\n"));
  EXPECT_FALSE(wire->closed) << "the client reads the answer first";
  wire->end();
  loop_.settle();
  EXPECT_TRUE(wire->closed);
}

TEST_F(ConnectionTest, UnreadBodyIsDrainedForTheNextRequest) {
  serve(deny);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  wire->send(std::string(100000, 'x'));
  wire->send("GET /k HTTP/1.1\r\nHost: h\r\n\r\n");
  loop_.settle();
  EXPECT_EQ(wire->writes.size(), 2u);
  EXPECT_FALSE(wire->closed);
}

TEST_F(ConnectionTest, LargeUnreadBodyEndsTheConnection) {
  serve(deny);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n");
  EXPECT_THAT(wire->received(), HasSubstr("Connection: close\r\n"));
  wire->send(std::string(300000, 'x'));
  loop_.advance(2 * kSecond);
  EXPECT_TRUE(wire->closed);
  EXPECT_EQ(wire->writes.size(), 1u);
}

TEST_F(ConnectionTest, ARefusedBodyIsTakenWhileItComesQuickly) {
  serve(deny);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
  for (int i = 0; i < 20; ++i) {
    wire->send(std::string(300'000, 'x'));
    loop_.advance(900 * kMillisecond);
    ASSERT_FALSE(wire->closed) << i;
  }
  wire->send(std::string(200'000, 'x'));  // slowly
  loop_.advance(1100 * kMillisecond);
  EXPECT_TRUE(wire->closed);
}

TEST_F(ConnectionTest, ARefusedBodyIsNotTakenForEver) {
  serve(deny);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
  Nanos taken = 0;
  for (; !wire->closed && taken < 60 * kSecond; taken += 500 * kMillisecond) {
    wire->send(std::string(300'000, 'x'));
    loop_.advance(500 * kMillisecond);
  }
  EXPECT_GE(taken, 29 * kSecond);
  EXPECT_LE(taken, 32 * kSecond);
}

TEST_F(ConnectionTest, LargeUnreadChunkedBodyEndsTheConnection) {
  serve(deny);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  wire->send("100000\r\n" + std::string(0x100000, 'x') +
             "\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
  loop_.advance(2 * kSecond);
  EXPECT_TRUE(wire->closed);
  EXPECT_EQ(wire->writes.size(), 1u);
}

TEST_F(ConnectionTest, StreamsChunkedWithTheHeadInTheFirstWrite) {
  serve(stream_pieces);
  auto wire = send("GET /k HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(wire->writes.size(), 3u);
  EXPECT_THAT(wire->writes[0], HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(wire->writes[0], Not(HasSubstr("Content-Length")));
  EXPECT_THAT(wire->writes[0], EndsWith("\r\n\r\n5\r\n01234\r\n"));
  EXPECT_EQ(wire->writes[1], "5\r\n56789\r\n");
  EXPECT_EQ(wire->writes[2], "0\r\n\r\n");
  EXPECT_FALSE(wire->closed);
}

TEST_F(ConnectionTest, StreamsWithALength) {
  serve(stream_pieces);
  auto wire = send("GET /k?length HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(wire->received(), HasSubstr("Content-Length: 10\r\n"));
  EXPECT_THAT(wire->received(), EndsWith("\r\n\r\n0123456789"));
  EXPECT_FALSE(wire->closed);
}

TEST_F(ConnectionTest, HeadAnnouncesTheLengthAndSendsNothing) {
  serve(stream_pieces);
  auto wire = send("HEAD /k?length HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(wire->received(), HasSubstr("Content-Length: 10\r\n"));
  EXPECT_THAT(wire->received(), EndsWith("GMT\r\n\r\n"));
  EXPECT_FALSE(wire->closed);
  serve(echo);
  wire = send("HEAD /k HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(wire->received(), HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(wire->received(), EndsWith("GMT\r\n\r\n"));
}

TEST_F(ConnectionTest, Http10GetsNoChunks) {
  serve(stream_pieces);
  auto wire = send("GET /k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(wire->received(), Not(HasSubstr("chunked")));
  EXPECT_THAT(wire->received(), EndsWith("\r\n\r\n0123456789"));
  EXPECT_TRUE(wire->closed) << "the end of the connection is the end of the body";
  wire = send("GET /k?length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(wire->received(), HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_FALSE(wire->closed);
}

TEST_F(ConnectionTest, FailedResponseCutsTheConnection) {
  serve(stream_pieces);
  EXPECT_TRUE(send("GET /k?short HTTP/1.1\r\nHost: h\r\n\r\n")->closed);
  auto wire = send("GET /k?unfinished HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(wire->closed);
  EXPECT_THAT(wire->received(), Not(EndsWith("0\r\n\r\n")));
}

TEST_F(ConnectionTest, NoContentHasNoLength) {
  serve([](Exchange& exchange) -> Task<void> {
    ResponseHead head;
    head.status = 204;
    (void)co_await exchange.respond(std::move(head), "");
  });
  auto wire = send("DELETE /k HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(wire->received(), StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(wire->received(), Not(HasSubstr("Content-Length")));
}

TEST_F(ConnectionTest, ValuesCannotEndALine) {
  serve([](Exchange& exchange) -> Task<void> {
    ResponseHead head;
    head.add("Content-Disposition", "a\r\nSet-Cookie: b\n");
    head.add("bad name", "x");
    (void)co_await exchange.respond(std::move(head), "");
  });
  auto wire = send("GET /k HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(wire->received(), HasSubstr("\r\nContent-Disposition: a  Set-Cookie: b \r\n"));
  EXPECT_THAT(wire->received(), Not(HasSubstr("bad name")));
}

TEST_F(ConnectionTest, BadHeadIsAnswered400AndClosed) {
  serve(echo);
  auto wire = send("GET / HTTP/1.1\nHost: h\n\n");
  EXPECT_THAT(wire->received(), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(wire->received(), HasSubstr("Connection: close\r\n"));
  loop_.advance(2 * kSecond);
  EXPECT_TRUE(wire->closed);
  EXPECT_EQ(server_->requests(), 0u);
}

TEST_F(ConnectionTest, OwnErrorsGoThroughTheRenderer) {
  server_ = Server::create(loop_, {.handler = answer_nothing,
                                   .render_error = [](const Error& error, ResponseHead& head) {
                                     head.status = 418;
                                     head.add("X-Test", "1");
                                     return "<" + std::string(code_name(error.code)) + ">";
                                   }});
  auto wire = send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(wire->received(), HasSubstr("418"));
  EXPECT_THAT(wire->received(), HasSubstr("X-Test: 1\r\n"));
  EXPECT_THAT(wire->received(), EndsWith("<Internal>"));
  EXPECT_TRUE(wire->closed);
}

TEST_F(ConnectionTest, SlowHeadIsAnswered408) {
  serve(echo);
  auto wire = send("GET / HTT");
  for (int i = 0; i < 9; ++i) {
    loop_.advance(kSecond);
    wire->send("P");
  }
  EXPECT_TRUE(wire->writes.empty());
  loop_.advance(1001 * kMillisecond);
  EXPECT_THAT(wire->received(), StartsWith("HTTP/1.1 408 "));
  loop_.advance(2 * kSecond);
  EXPECT_TRUE(wire->closed);
}

TEST_F(ConnectionTest, IdleConnectionIsClosedWithoutAWord) {
  serve(echo);
  auto wire = connect();
  loop_.advance(59 * kSecond);
  EXPECT_FALSE(wire->closed);
  loop_.advance(2 * kSecond);
  EXPECT_TRUE(wire->closed);
  EXPECT_TRUE(wire->writes.empty());
}

TEST_F(ConnectionTest, StalledBodyIsAnErrorOfTheBody) {
  serve(echo);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  loop_.advance(31 * kSecond);
  EXPECT_THAT(wire->received(), EndsWith("RequestTimeout"));
  EXPECT_THAT(wire->received(), HasSubstr("Connection: close\r\n"));
  loop_.advance(2 * kSecond);
  EXPECT_TRUE(wire->closed);
}

TEST_F(ConnectionTest, TricklingBodyIsGivenUp) {
  serve(echo);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 65536\r\n\r\n");
  for (int i = 0; i < 10 && wire->writes.empty(); ++i) {
    wire->send("x");
    loop_.advance(20 * kSecond);
  }
  EXPECT_THAT(wire->received(), EndsWith("RequestTimeout"));
}

TEST_F(ConnectionTest, EarlyEndOfTheBodyIsAnErrorOfTheBody) {
  serve(echo);
  for (const char* framing :
       {"Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"}) {
    auto wire = connect();
    wire->send(std::string("PUT /k HTTP/1.1\r\nHost: h\r\n") + framing);
    wire->end();
    loop_.settle();
    EXPECT_THAT(wire->received(), EndsWith("IncompleteBody")) << framing;
    EXPECT_TRUE(wire->closed);
  }
}

TEST_F(ConnectionTest, BrokenChunksAreAnErrorOfTheBody) {
  serve(echo);
  auto wire = send("PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd");
  wire->send("\r\n");
  loop_.settle();
  EXPECT_THAT(wire->received(), EndsWith("BadRequest"));
  EXPECT_THAT(wire->received(), HasSubstr("Connection: close\r\n"));
}

TEST_F(ConnectionTest, StalledClientLosesItsResponse) {
  serve(stream_pieces);
  auto wire = connect();
  wire->write_stalls = true;
  wire->send("GET /k HTTP/1.1\r\nHost: h\r\n\r\n");
  loop_.advance(31 * kSecond);
  EXPECT_TRUE(wire->closed);
}

TEST_F(ConnectionTest, ConnectionsOverTheLimitAreTold) {
  serve(echo, {}, 2);
  auto first = connect();
  auto second = connect();
  auto third = connect();
  EXPECT_THAT(third->received(), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(third->received(), HasSubstr("SlowDown"));
  third->end();
  loop_.settle();
  EXPECT_TRUE(third->closed);
  first->end();
  loop_.settle();
  EXPECT_EQ(server_->open_connections(), 1u);
  auto fourth = send("GET /k HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(fourth->received(), EndsWith("GET /k "));
}

TEST_F(ConnectionTest, StopLetsTheCurrentExchangeFinish) {
  serve(echo);
  auto idle = send("GET /k HTTP/1.1\r\nHost: h\r\n\r\n");
  auto busy = send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
  server_->stop();
  loop_.settle();
  EXPECT_TRUE(idle->closed);
  EXPECT_FALSE(busy->closed);
  EXPECT_EQ(server_->open_connections(), 1u);
  busy->send("cd");
  loop_.settle();
  EXPECT_THAT(busy->received(), HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(busy->received(), EndsWith("PUT /k abcd"));
  EXPECT_TRUE(busy->closed);
  EXPECT_EQ(server_->open_connections(), 0u);
  EXPECT_TRUE(connect()->closed);
}

TEST_F(ConnectionTest, TearingTheLoopDownInTheMiddleIsClean) {
  auto wire = std::make_shared<Wire>();
  {
    ManualLoop loop;
    auto server = Server::create(loop, {.handler = echo});
    server->serve(std::make_unique<MemoryStream>(loop, wire));
    wire->send("PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    loop.settle();
    EXPECT_EQ(server->open_connections(), 1u);
  }
  EXPECT_TRUE(wire->closed);
}

TEST_F(ConnectionTest, CloseAfterIsAnnounced) {
  serve([](Exchange& exchange) -> Task<void> {
    exchange.close_after();
    (void)co_await exchange.respond({}, "");
  });
  auto wire = send("GET /k HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(wire->received(), HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(wire->closed);
}

}  // namespace
}  // namespace hydra::http
