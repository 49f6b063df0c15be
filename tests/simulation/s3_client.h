// S3Client: a client of the S3 service, with a host of its own: HTTP/1.1 and Signature Version 4
// over the simulated network. It tells the reference model what it asked for and what it was told.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/io.h"
#include "gateway/s3/auth/credentials.h"
#include "tests/simulation/body_stream.h"
#include "tests/simulation/object_client.h"
#include "tests/simulation/reference_model.h"

namespace hydra::gridsim {

struct S3Answer {
  int status = 0;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
  Status end;  // why the body is not complete
  std::string etag() const;
};

class S3Client {
 public:
  S3Client(ReferenceModel& model, Loop& loop, std::string bucket, std::uint64_t seed,
           std::string name, std::vector<std::string> addresses, ClientOptions options)
      : model_(model),
        loop_(loop),
        bucket_(std::move(bucket)),
        prng_(seed),
        name_(std::move(name)),
        addresses_(std::move(addresses)),
        options_(std::move(options)) {}

  static s3::Credential credential();
  // Works until stop(), on `loop`.
  static Task<void> run(S3Client* self);
  void stop() { stopping_ = true; }
  bool busy() const { return busy_; }
  const ClientCounters& counters() const { return counters_; }

 private:
  struct Busy;
  using Fields = std::vector<std::pair<std::string, std::string>>;
  Task<void> step();
  Task<void> put(std::string key);
  // Takes turns with the others on one small object: reads it and replaces what it read, or removes
  // that, or makes it where there is none. Every value is written once.
  Task<void> take_turn(std::string key);
  // Goes on through the loss of the gateway in the middle, as clients do.
  Task<void> upload(std::string key);
  Task<std::optional<std::string>> send_part(const std::string& target,
                                             std::shared_ptr<const std::string> bytes);
  Task<void> complete(std::string key, std::string target, std::string document, Request request,
                      Fields fields);
  Task<void> get(std::string key, bool head);
  Task<void> remove(std::string key);
  Task<void> copy(std::string from, std::string to);
  Task<void> list();

  // One request and its answer; an error when no whole head came back.
  Task<Result<S3Answer>> exchange(std::string method, std::string target, Fields fields,
                                  std::shared_ptr<const std::string> body);
  std::string signed_head(const std::string& method, const std::string& target, Fields fields,
                          const std::string& body);
  Task<Status> send(std::string head, std::shared_ptr<const std::string> body);
  Task<Result<S3Answer>> receive(bool head_only);
  Task<Result<std::size_t>> more(std::string& into);

  std::string target_of(const std::string& key) const;
  const std::string& pick_key() { return options_.keys[prng_.below(options_.keys.size())]; }
  // A condition of a write, in the words of the model and of HTTP.
  void pick_conditions(const std::string& key, Request& request, Fields& fields);
  // Ends the attempt to change something.
  void end(Attempt& attempt, const Result<S3Answer>& answer);
  std::optional<ValueId> value_of(const std::string& key, const S3Answer& answer);

  ReferenceModel& model_;
  Loop& loop_;
  std::string bucket_;
  sim::Prng prng_;
  std::string name_;
  std::vector<std::string> addresses_;
  ClientOptions options_;
  ClientCounters counters_;
  std::unique_ptr<Stream> stream_;
  bool stopping_ = false;
  bool busy_ = false;
};

}  // namespace hydra::gridsim
