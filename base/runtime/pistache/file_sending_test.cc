// Sending from a file's pages: what is in memory, and that a socket sends it all and in order.
#include "base/runtime/file_sending.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/runtime/echo_fixture.h"
#include "base/runtime/pistache/disk.h"
#include "base/runtime/pistache/runtime_fixture.h"
#include "base/runtime/sync.h"

namespace hydra {
namespace {

constexpr std::size_t kFileBytes = 3'000'000;

std::string file_bytes() {
  std::string text(kFileBytes, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

class FileSendingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    runtime_ = make_runtime(2);
    ASSERT_TRUE(runtime_->start());
    file_ = run_on<std::unique_ptr<File>>(loop(), [&](Loop& on) { return make_file(on); });
    ASSERT_NE(file_, nullptr);
    sendable_ = dynamic_cast<SendableFile*>(file_.get());
    ASSERT_NE(sendable_, nullptr);
  }
  void TearDown() override {
    file_.reset();
    runtime_->stop();
    acceptor_.reset();
    kept_.clear();
  }
  Loop& loop(std::size_t index = 0) { return *runtime_->loops()[index]; }
  FileRun run(std::uint64_t offset, std::uint64_t length) const {
    return {nullptr, sendable_, offset, length};
  }

  Task<std::unique_ptr<File>> make_file(Loop& on) {
    auto file = co_await on.disk().open(directory_.path("data"), OpenMode::kCreateNew);
    if (!file) co_return nullptr;
    const std::string text = file_bytes();
    const ByteView piece = as_bytes(text);
    const Status written = co_await (*file)->write({&piece, 1}, 0);
    co_return written ? std::move(*file) : nullptr;
  }
  // Listens on the second loop.
  void listen(AcceptHandler handler) {
    std::promise<void> done;
    loop(1).post([&] {
      auto acceptor = loop(1).net().listen({"unix:" + directory_.path("socket")}, handler);
      EXPECT_TRUE(acceptor);
      if (acceptor) acceptor_ = std::move(*acceptor);
      done.set_value();
    });
    done.get_future().get();
  }
  // Connects and runs `talk` with the stream.
  Status talk(std::function<Task<Status>(Loop&, Stream&)> with) {
    return run_on<Status>(loop(), [&](Loop& on) { return connect_and(on, with); });
  }
  Task<Status> connect_and(Loop& on, const std::function<Task<Status>(Loop&, Stream&)>& with) {
    HYDRA_CO_TRY(StreamPtr stream, co_await on.net().connect({"unix:" + directory_.path("socket")},
                                                             on.after(5 * kSecond)));
    co_return co_await with(on, *stream);
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<File> file_;
  SendableFile* sendable_ = nullptr;
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<StreamPtr> kept_;
};

Task<void> read_all(Loop& loop, Stream& stream, std::string& into) {
  std::size_t got = 0;
  while (got < into.size()) {
    const auto count = co_await stream.read(std::as_writable_bytes(std::span(into)).subspan(got),
                                            loop.after(5 * kSecond));
    if (!count || *count == 0) break;
    got += *count;
  }
  into.resize(got);
}

TEST_F(FileSendingTest, BytesArriveInOrderBesidesThoseThatWereWritten) {
  listen([this](StreamPtr stream) { spawn_echo(loop(1), std::move(stream)); });
  const std::string head = "head";
  std::string back(head.size() + 2'500'000, '\0');
  const Status sent = talk([&](Loop& on, Stream& stream) -> Task<Status> {
    TaskGroup reading(on);
    reading.spawn(read_all(on, stream, back));
    const ByteView piece = as_bytes(head);
    Status status = co_await stream.write({&piece, 1}, on.after(5 * kSecond));
    auto* const sender = dynamic_cast<FileSender*>(&stream);
    HYDRA_ASSERT(sender != nullptr);
    if (status) status = co_await sender->send(run(4097, 2'500'000), on.after(5 * kSecond));
    co_await reading.join();
    co_return status;
  });
  EXPECT_TRUE(sent) << sent.error().to_string();
  EXPECT_TRUE(back == head + file_bytes().substr(4097, 2'500'000));
}

TEST_F(FileSendingTest, AFileThatEndsBeforeIsAnError) {
  listen([this](StreamPtr stream) { kept_.push_back(std::move(stream)); });
  const Status sent = talk([&](Loop& on, Stream& stream) -> Task<Status> {
    co_return co_await dynamic_cast<FileSender&>(stream).send(run(kFileBytes - 10, 11),
                                                              on.after(5 * kSecond));
  });
  EXPECT_EQ(sent.error().code, Code::kIo);
}

TEST_F(FileSendingTest, APeerThatDoesNotReadIsGivenUpAtTheDeadline) {
  listen([this](StreamPtr stream) { kept_.push_back(std::move(stream)); });
  const Status sent = talk([&](Loop& on, Stream& stream) -> Task<Status> {
    co_return co_await dynamic_cast<FileSender&>(stream).send(run(0, kFileBytes),
                                                              on.after(50 * kMillisecond));
  });
  EXPECT_EQ(sent.error().code, Code::kTimeout);
}

TEST_F(FileSendingTest, BytesThatTheCacheLacksAreNotInMemory) {
  const int fd = static_cast<runtime::DescriptorFile*>(sendable_)->descriptor();
  const std::uint64_t range[2] = {0, kFileBytes};
  std::uint64_t found[5] = {};
  const bool can_be_known = ::syscall(451, fd, range, found, 0) == 0;  // since Linux 6.5
  EXPECT_EQ(sendable_->in_memory(0, kFileBytes), can_be_known);
  EXPECT_EQ(sendable_->in_memory(kFileBytes - 1, 1), can_be_known);
  EXPECT_FALSE(sendable_->in_memory(0, 0));
  EXPECT_FALSE(sendable_->in_memory(kFileBytes - 1, 8192)) << "the file ends before";
}

}  // namespace
}  // namespace hydra
