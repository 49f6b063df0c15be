#include "bench/floor/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace hydra::bench {

namespace {

// Memory that is touched once and then used again for each body.
struct Scratch {
  std::unique_ptr<Byte[]> plain{new Byte[kReceiveBytes + kSegmentBytes]};
  // A stripe and its parity; before it room for the carried head of a segment that straddles two.
  std::unique_ptr<Byte[]> memory{new Byte[kSealedBytes + kShards * kBlockBytes + kSealedBytes]};
  Byte* stripe = memory.get() + kSealedBytes;
};
Scratch& scratch() {
  static thread_local Scratch own;
  return own;
}

}  // namespace

void receive_all(int socket, void* into, std::size_t bytes) {
  auto* at = static_cast<Byte*>(into);
  while (bytes > 0) {
    const ssize_t got = recv(socket, at, bytes, MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) die("recv");
    at += got;
    bytes -= static_cast<std::size_t>(got);
  }
}

void send_all(int socket, const void* from, std::size_t bytes) {
  const auto* at = static_cast<const Byte*>(from);
  while (bytes > 0) {
    const ssize_t sent = send(socket, at, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) die("send");
    at += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
}

void serve_put(int socket, Shelf& shelf, Physics& physics, std::uint64_t body) {
  const BodyShape& shape = shelf.shape();
  Scratch& own = scratch();
  std::uint64_t length = 0;
  receive_all(socket, &length, sizeof length);
  if (length != shape.plain) die("a body of another length");

  physics.md5_begin();
  std::uint64_t segment = 0, stripe = 0;
  std::size_t filled = 0;
  const auto write_stripe = [&] {
    const std::size_t block = shape.block_bytes(stripe);
    const std::size_t data = block * kDataShards;
    if (filled < data) std::memset(own.stripe + filled, 0, data - filled);
    // Parity goes behind the data, where the next stripe's first bytes may lie already.
    Byte spill[kSealedBytes];
    const std::size_t spilled = filled > data ? filled - data : 0;
    std::memcpy(spill, own.stripe + data, spilled);
    physics.encode(own.stripe, block, own.stripe + data);
    shelf.write(body, stripe++, own.stripe);
    std::memcpy(own.stripe, spill, spilled);
    filled = spilled;
  };
  for (std::uint64_t at = 0; at < length;) {
    const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(kReceiveBytes, length - at));
    receive_all(socket, own.plain.get(), now);
    at += now;
    physics.md5_update(own.plain.get(), now);
    for (std::size_t from = 0; from < now; from += kSegmentBytes) {
      const std::size_t bytes = std::min(kSegmentBytes, now - from);
      physics.seal(segment++, own.plain.get() + from, bytes, own.stripe + filled);
      filled += bytes + kTagBytes;
      if (filled >= kStripeBytes) write_stripe();
    }
  }
  if (filled > 0) write_stripe();
  physics.md5_finish();
  shelf.sync();
  send_all(socket, "+", 1);
}

void serve_get(int socket, const Shelf& shelf, Physics& physics, std::uint64_t body) {
  const BodyShape& shape = shelf.shape();
  Scratch& own = scratch();
  send_all(socket, &shape.plain, sizeof shape.plain);

  std::uint64_t segment = 0, plain_left = shape.plain;
  std::size_t carried = 0, opened = 0;
  for (std::uint64_t stripe = 0; stripe < shape.stripes; ++stripe) {
    if (!shelf.read(body, stripe, own.stripe)) die("a block with a wrong CRC");
    const Byte* from = own.stripe - carried;
    const Byte* end =
        own.stripe + std::min<std::uint64_t>(kStripeBytes, shape.sealed - stripe * kStripeBytes);
    while (plain_left > 0) {
      const auto bytes =
          static_cast<std::size_t>(std::min<std::uint64_t>(kSegmentBytes, plain_left));
      if (static_cast<std::size_t>(end - from) < bytes + kTagBytes) break;
      if (!physics.open(segment++, from, bytes, own.plain.get() + opened))
        die("a segment with a wrong tag");
      from += bytes + kTagBytes;
      plain_left -= bytes;
      opened += bytes;
      if (opened >= kReceiveBytes || plain_left == 0) {
        send_all(socket, own.plain.get(), opened);
        opened = 0;
      }
    }
    carried = static_cast<std::size_t>(end - from);
    std::memcpy(own.stripe - carried, from, carried);
  }
}

}  // namespace hydra::bench
