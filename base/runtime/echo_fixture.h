// For the tests of streams: an echo server's task, and a client that talks to it.
#pragma once

#include <memory>
#include <string>

#include "base/runtime/io.h"
#include "base/runtime/sync.h"

namespace hydra {

using StreamPtr = std::unique_ptr<Stream>;

inline Task<void> echo(Loop& loop, StreamPtr stream) {
  Buffer buffer(64 << 10);
  buffer.resize(buffer.capacity());
  for (;;) {
    const auto count = co_await stream->read(buffer.span(), loop.after(10 * kSecond));
    if (!count || *count == 0) co_return;
    const ByteView piece = buffer.view().first(*count);
    if (!co_await stream->write({&piece, 1}, loop.after(10 * kSecond))) co_return;
  }
}

inline void spawn_echo(Loop& loop, StreamPtr stream) { loop.spawn(echo(loop, std::move(stream))); }

inline Task<Status> read_exactly(Stream& stream, MutableBytes into, Deadline deadline) {
  while (!into.empty()) {
    HYDRA_CO_TRY(const std::size_t count, co_await stream.read(into, deadline));
    if (count == 0) co_return fail(Code::kClosed, "ended early");
    into = into.subspan(count);
  }
  co_return Status();
}

// Sends `rounds` messages in pieces of odd sizes and expects each back.
inline Task<Status> talk_over(Loop& loop, Stream& stream, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    std::string text(static_cast<std::size_t>(1 + round * 977 % 50'000),
                     static_cast<char>('a' + round % 26));
    const ByteView whole = as_bytes(text);
    const ByteView pieces[] = {whole.first(whole.size() / 3), {}, whole.subspan(whole.size() / 3)};
    HYDRA_CO_CHECK_OK(co_await stream.write(pieces, loop.after(5 * kSecond)));
    std::string back(text.size(), ' ');
    HYDRA_CO_CHECK_OK(co_await read_exactly(stream, std::as_writable_bytes(std::span(back)),
                                            loop.after(5 * kSecond)));
    if (back != text) co_return fail(Code::kCorrupt, "the echo differs");
  }
  co_return Status();
}

}  // namespace hydra
