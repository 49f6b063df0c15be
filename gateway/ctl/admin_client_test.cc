#include "gateway/ctl/admin_client.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace hydra::ctl {
namespace {

TEST(AdminClient, AnswersAreTakenWhole) {
  const auto answer =
      parse_answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->body, "busy");
}

TEST(AdminClient, TruncatedAnswerIsRefused) {
  const std::string whole = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 4\r\n\r\nbusy";
  ASSERT_TRUE(parse_answer(whole));
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(parse_answer(whole.substr(0, length)).error().code, Code::kCorrupt) << length;
}

TEST(AdminClient, WhatIsNoGatewayIsRefused) {
  for (const char* text :
       {"", "220 mail ready\r\n\r\n", "HTTP/1.1 2000\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"})
    EXPECT_EQ(parse_answer(text).error().code, Code::kCorrupt) << text;
}

TEST(AdminClient, AbsentSocketIsUnreachable) {
  EXPECT_EQ(ask("/nonexistent/admin.sock", {.target = "/v1/status"}).error().code,
            Code::kUnavailable);
  EXPECT_EQ(ask("unix:/nonexistent/admin.sock", {.target = "/"}).error().code, Code::kUnavailable);
  EXPECT_EQ(
      ask("/nonexistent" + std::string(200, 'a') + "/admin.sock", {.target = "/"}).error().code,
      Code::kUnavailable);
  EXPECT_EQ(ask("unix:", {.target = "/"}).error().code, Code::kInvalidArgument);
}

// A gateway that gives one answer; the connection waits in the backlog until it does.
TEST(AdminClient, SocketBehindALongPathIsReached) {
  char name[] = "/tmp/hydra-ctl-XXXXXX";
  const std::filesystem::path root = ::mkdtemp(name);
  const std::filesystem::path directory = root / std::string(150, 'd');
  std::filesystem::create_directory(directory);
  const std::string real = (root / "s").string();
  std::filesystem::create_symlink(real, directory / "admin.sock");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  real.copy(address.sun_path, sizeof address.sun_path - 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  std::string request;
  std::thread gateway([&] {
    const int fd = ::accept(listener, nullptr, nullptr);
    char piece[1024];
    request.assign(piece, static_cast<std::size_t>(::recv(fd, piece, sizeof piece, 0)));
    const std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    (void)!::write(fd, answer.data(), answer.size());
    ::close(fd);
  });
  const auto answer = ask((directory / "admin.sock").string(),
                          {.method = "POST", .target = "/v1/status", .body = "{}"});
  ::shutdown(listener, SHUT_RDWR);  // ends the accept if nobody came
  gateway.join();
  ::close(listener);
  std::filesystem::remove_all(root);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "ok");
  EXPECT_TRUE(request.starts_with("POST /v1/status HTTP/1.1\r\n")) << request;
  EXPECT_TRUE(request.ends_with("\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")) << request;
}

}  // namespace
}  // namespace hydra::ctl
