// Addresses as the system calls want them. Plain functions; resolve() blocks.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime/io.h"

namespace hydra::runtime {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  void set_port(std::uint16_t port);  // of an IP address
};

struct HostPort {
  std::string host;  // without brackets; empty means every interface
  std::string port;
};

// kInvalidArgument when it is not "HOST:PORT" or "[HOST]:PORT".
Result<HostPort> parse_host_port(const Address& address);
// kInvalidArgument when the path is empty or too long for a unix socket.
Result<SocketAddress> unix_address(const Address& address);
// At least one address, in the order to try them. With numeric_only nothing is asked of a name
// server and a name gives an empty vector. kUnavailable when the name is not known.
Result<std::vector<SocketAddress>> resolve(const HostPort& at, bool passive, bool numeric_only);
// "127.0.0.1:9000", "[::1]:9000", "unix".
std::string text_of(const SocketAddress& address);

}  // namespace hydra::runtime
