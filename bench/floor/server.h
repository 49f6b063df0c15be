// The two ways of the floor over one connection, by plain blocking calls. A peer process sends and
// takes the bodies; only this side's CPU counts.
#pragma once

#include <cstdint>

#include "bench/floor/shelf.h"

namespace hydra::bench {

constexpr std::size_t kReceiveBytes = 256 * 1024;

// Receives a length and a body, stores it as `body`, syncs and answers one byte.
void serve_put(int socket, Shelf& shelf, Physics& physics, std::uint64_t body);
// Sends a length and the body.
void serve_get(int socket, const Shelf& shelf, Physics& physics, std::uint64_t body);

void receive_all(int socket, void* into, std::size_t bytes);
void send_all(int socket, const void* from, std::size_t bytes);

}  // namespace hydra::bench
