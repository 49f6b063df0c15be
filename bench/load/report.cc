#include "bench/load/report.h"

#include <fmt/format.h>

namespace hydra::bench {

namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string members(std::uint64_t operations, std::uint64_t bytes, const Latencies& latencies) {
  const LatencySummary summary = latencies.summary();
  return fmt::format(
      "\"ops\": {}, \"bytes\": {}, \"mean_ms\": {:.4f}, \"p50_ms\": {:.4f}, \"p90_ms\": {:.4f}, "
      "\"p99_ms\": {:.4f}, \"max_ms\": {:.4f}",
      operations, bytes, summary.mean_ms, summary.p50_ms, summary.p90_ms, summary.p99_ms,
      summary.max_ms);
}

}  // namespace

void Report::failed(const std::string& kind, const std::string& detail) {
  ++errors;
  ++error_kinds[kind];
  if (first_error.empty()) first_error = kind + ": " + detail.substr(0, 400);
}

std::uint64_t Report::operations() const {
  std::uint64_t sum = 0;
  for (const Of& one : of) sum += one.operations;
  return sum;
}

std::string Report::to_json() const {
  std::uint64_t bytes = 0;
  std::string operations_text, kinds;
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (of[i].operations == 0) continue;
    bytes += of[i].bytes;
    operations_text += fmt::format("{}    {}: {{{}}}", operations_text.empty() ? "" : ",\n",
                                   quoted(name_of(static_cast<Operation>(i))),
                                   members(of[i].operations, of[i].bytes, of[i].latencies));
  }
  for (const auto& [kind, count] : error_kinds)
    kinds += fmt::format("{}{}: {}", kinds.empty() ? "" : ", ", quoted(kind), count);
  return fmt::format(
      "{{\n  {},\n  \"seconds\": {:.4f}, \"errors\": {}, \"reconnects\": {},\n"
      "  \"error_kinds\": {{{}}}, \"first_error\": {},\n  \"operations\": {{\n{}\n  }}\n}}\n",
      members(operations(), bytes, all), seconds, errors, reconnects, kinds, quoted(first_error),
      operations_text);
}

}  // namespace hydra::bench
