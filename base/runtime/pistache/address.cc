#include "base/runtime/pistache/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>
#include <memory>

namespace hydra::runtime {

Result<HostPort> parse_host_port(const Address& address) {
  const std::string& text = address.text;
  const auto bad = [&] {
    return fail(Code::kInvalidArgument, "\"" + text + "\" is not HOST:PORT or unix:/path");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad();
  HostPort result{text.substr(0, colon), text.substr(colon + 1)};
  if (result.host.starts_with('[')) {
    if (!result.host.ends_with(']')) return bad();
    result.host = result.host.substr(1, result.host.size() - 2);
  } else if (result.host.find(':') != std::string::npos) {
    return bad();
  }
  unsigned port = 0;
  const char* const end = result.port.data() + result.port.size();
  const auto parsed = std::from_chars(result.port.data(), end, port);
  if (result.port.empty() || parsed.ec != std::errc() || parsed.ptr != end || port > 65535)
    return bad();
  if (result.host == "*") result.host.clear();
  return result;
}

Result<SocketAddress> unix_address(const Address& address) {
  const std::string path = address.text.substr(std::strlen("unix:"));
  SocketAddress result;
  auto* const to = reinterpret_cast<sockaddr_un*>(&result.storage);
  if (path.empty() || path.size() >= sizeof to->sun_path)
    return fail(Code::kInvalidArgument, "the path of a unix socket must have 1 to " +
                                            std::to_string(sizeof to->sun_path - 1) +
                                            " bytes: " + path);
  to->sun_family = AF_UNIX;
  std::memcpy(to->sun_path, path.c_str(), path.size() + 1);
  result.size = sizeof *to;
  return result;
}

Result<std::vector<SocketAddress>> resolve(const HostPort& at, bool passive, bool numeric_only) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = at.host.empty() ? AF_INET : AF_UNSPEC;
  hints.ai_flags =
      AI_NUMERICSERV | (passive ? AI_PASSIVE : 0) | (numeric_only ? AI_NUMERICHOST : 0);
  addrinfo* list = nullptr;
  const char* const host = at.host.empty() ? nullptr : at.host.c_str();
  const int error = getaddrinfo(host, at.port.c_str(), &hints, &list);
  if (numeric_only && error == EAI_NONAME) return std::vector<SocketAddress>();
  if (error != 0)
    return fail(Code::kUnavailable, "cannot resolve " + at.host + ": " + gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  std::vector<SocketAddress> result;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    result.push_back(address);
  }
  return result;
}

void SocketAddress::set_port(std::uint16_t port) {
  if (family() == AF_INET6)
    reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
  else
    reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
}

std::string text_of(const SocketAddress& address) {
  if (address.family() == AF_UNIX) return "unix";
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(address.get(), address.size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "unknown";
  const std::string name = host;
  return (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + port;
}

}  // namespace hydra::runtime
