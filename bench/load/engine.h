// Engine: drives a workload over keep-alive connections, one thread, plain epoll.
//
// Closed loop: each stream asks again as soon as it has its answer. Open loop: requests have
// intended starts (schedule.h), wait in line while all streams are busy, and count from then.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/report.h"
#include "bench/load/response.h"
#include "bench/load/schedule.h"
#include "bench/load/workload.h"

namespace hydra::bench {

struct EngineOptions {
  std::string host;  // to connect to
  std::string port;
  std::uint64_t streams = 8;
  std::uint64_t max_operations = 0;  // 0: no limit but the time
  double seconds = 0;                // 0: no limit but the number
  double rate = 0;                   // per second in an open loop; 0: a closed loop
  bool poisson = false;
  bool verify = false;  // compare bodies that come back byte for byte
  double timeout_s = 60;
};

class Engine {
 public:
  Engine(EngineOptions options, const Workload& workload, const Payload& payload);
  ~Engine();

  // One whole run. An error when the server cannot be reached at all; what fails within the run is
  // counted in the report.
  Result<Report> run();

 private:
  struct Stream {
    int fd = -1;
    bool busy = false;
    bool wants_write = false;
    Request request{};
    std::string own_head;
    std::string_view head;
    std::uint64_t sent = 0;  // of head and body
    std::int64_t intended_ns = 0;
    std::int64_t started_ns = 0;
    ResponseReader reader;
    std::uint64_t received = 0;  // of the body
    bool wrong_bytes = false;
    std::string text;  // listings, and the beginning of what else is not an object
  };

  Status resolve();
  Status connect(Stream& stream);
  bool exhausted(std::int64_t now_ns) const;
  void start_due(std::int64_t now_ns);
  void start(std::size_t index, std::int64_t intended_ns, std::int64_t now_ns);
  void wait(std::int64_t now_ns);
  void push(std::size_t index);
  void pull(std::size_t index);
  void take_body(Stream& stream, std::string_view bytes);
  void finish(std::size_t index);
  void judge(Stream& stream);
  void drop(std::size_t index, const std::string& kind, const std::string& detail);
  void disconnect(Stream& stream);
  void watch(std::size_t index, bool wants_write);
  void drop_overdue(std::int64_t now_ns);

  EngineOptions options_;
  const Workload& workload_;
  const Payload& payload_;
  sockaddr_storage address_{};
  socklen_t address_bytes_ = 0;
  int epoll_ = -1;
  std::vector<Stream> streams_;
  std::vector<std::size_t> idle_;
  std::optional<OpenSchedule> schedule_;
  std::int64_t start_ns_ = 0;
  std::int64_t next_check_ns_ = 0;
  std::uint64_t issued_ = 0;
  std::uint64_t failed_connects_ = 0;  // in a row
  std::unique_ptr<char[]> buffer_;
  Report report_;
};

}  // namespace hydra::bench
