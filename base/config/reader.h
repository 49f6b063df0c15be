// Typed access to a YAML configuration file, with all its mistakes reported together and by line.
//
//   auto reader = config::Reader::from_file("gateway.yaml", config::process_environment());
//   options.listen = reader.address("s3.listen", "0.0.0.0:9000");
//   options.budget_bytes = reader.size("memory.budget", 256 << 20, 16 << 20, 64ull << 30);
//   HYDRA_CHECK_OK(reader.finish());   // only now are the values good
//
// A key is a dotted path. An absent or empty value gives the default, which is not checked. A wrong
// value is noted and gives the default too, so that reading goes on; finish() fails with
// kInvalidArgument and one line a mistake: "gateway.yaml:12: s3.listne: unknown key; did you mean
// listen?". A key that was never asked for is unknown.
//
// The environment variable HYDRA_S3_LISTEN overrides s3.listen (values of lists are parted by
// commas; lists of maps cannot be overridden). Variables HYDRA_... that match no key asked for are
// mistakes as well.
//
// Belongs to one thread. Sections and the values they gave may outlive nothing: use them before the
// reader ends.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hydra::config {

struct Node;
struct State;

using Variables = std::map<std::string, std::string>;
// Those of this process that begin with HYDRA_.
Variables process_environment();

// A map of the file: the whole of it, one of its sections, or an item of a list.
class Section {
 public:
  std::string text(std::string_view key, std::string_view fallback);
  bool flag(std::string_view key, bool fallback);  // true, false, yes, no, on, off
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t min,
                       std::int64_t max);
  double real(std::string_view key, double fallback, double min, double max);
  // In bytes: "64MiB".
  std::uint64_t size(std::string_view key, std::uint64_t fallback, std::uint64_t min = 0,
                     std::uint64_t max = UINT64_MAX);
  // In nanoseconds: "150ms".
  std::int64_t duration(std::string_view key, std::int64_t fallback, std::int64_t min = 0,
                        std::int64_t max = INT64_MAX);
  // "HOST:PORT" or "unix:/path".
  std::string address(std::string_view key, std::string_view fallback);
  // A relative one is taken from the file's directory; the result is absolute, or empty as the
  // fallback.
  std::string path(std::string_view key, std::string_view fallback);
  std::string choice(std::string_view key, std::string_view fallback,
                     std::initializer_list<std::string_view> allowed);
  std::vector<std::string> texts(std::string_view key, std::vector<std::string> fallback);
  std::vector<std::string> addresses(std::string_view key, std::vector<std::string> fallback);
  // A list of maps; empty when absent.
  std::vector<Section> list(std::string_view key);
  Section section(std::string_view key);

  bool has(std::string_view key);
  // Notes a mistake when the key has no value.
  void require(std::string_view key);
  // Notes a mistake that only the caller can see (what two keys mean together). Say no secret.
  void mistake(std::string_view key, std::string_view message);

 protected:
  Section(State* state, Node* node, std::string path)
      : state_(state), node_(node), path_(std::move(path)) {}

  State* state_;
  Node* node_;        // null: absent
  std::string path_;  // with its trailing dot, or empty

 private:
  struct Value;
  Value find(std::string_view key, bool from_environment);
  void refuse(const Value& value, std::string_view message);
  Value find_scalar(std::string_view key, std::string_view wanted);
  template <typename T, typename Parse, typename Format>
  T ranged(std::string_view key, T fallback, T min, T max, std::string_view wanted, Parse parse,
           Format format);
};

class Reader : public Section {
 public:
  static Reader from_file(const std::string& path, Variables variables);
  // `name` stands for the file in messages; its directory is that of relative paths.
  static Reader from_text(const std::string& name, std::string_view text, Variables variables);
  Reader(Reader&&) noexcept;
  ~Reader();

  // A variable HYDRA_... that has another use.
  void allow_variable(const std::string& name);
  // kInvalidArgument with all mistakes, one a line.
  Status finish();

 private:
  explicit Reader(std::unique_ptr<State> state);
  std::unique_ptr<State> owned_;
};

}  // namespace hydra::config
