// What a run found, and its JSON.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "bench/load/latency.h"
#include "bench/load/workload.h"

namespace hydra::bench {

struct Report {
  struct Of {
    std::uint64_t operations = 0;  // that succeeded
    std::uint64_t bytes = 0;       // of bodies, or of listings
    Latencies latencies;
  };

  std::array<Of, kOperations> of;
  Latencies all;
  double seconds = 0;
  std::uint64_t reconnects = 0;
  std::uint64_t errors = 0;
  std::map<std::string, std::uint64_t> error_kinds;
  std::string first_error;

  void failed(const std::string& kind, const std::string& detail);
  std::uint64_t operations() const;
  std::string to_json() const;
};

}  // namespace hydra::bench
