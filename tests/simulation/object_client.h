// ObjectClient: a client of the object layer. It picks random operations on few keys, so that
// clients meet, and tells the reference model what it asked for and what it was told.
//
// Its task runs on a gateway worker's loop and ends when the gateway dies; it is started again with
// the next one. The object itself belongs to the test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/gateway.h"
#include "tests/simulation/body_stream.h"
#include "tests/simulation/reference_model.h"

namespace hydra::gridsim {

struct ClientOptions {
  std::vector<std::string> keys;
  std::size_t most_bytes = 2u << 20;
  sim::Range think{5 * kMillisecond, 600 * kMillisecond};
  bool races = false;  // for clients of S3: mostly conditional writes, of the first two keys
  bool calm = false;   // never slow, never breaks off, no conditions: its operations should succeed
  // Bugs to plant: the oracle must see them.
  bool ignore_preconditions = false;
  bool lie_about_durability = false;  // frees shards of what it is about to commit
  bool mix_up_slices = false;         // commits the slices of another object
};

struct ClientCounters {
  std::uint64_t puts = 0, gets = 0, deletes = 0, copies = 0, uploads = 0, lists = 0, failures = 0;
  std::uint64_t turns =
      0;  // of those puts and deletes, by clients that replace what they have read
};

// Keys that meet each other in listings: short ones, folders, long ones beyond the key-value
// store's own limit.
std::vector<std::string> make_keys(sim::Prng& prng, std::size_t count);

// A size of a body: most are small, many lie at an edge of the layout.
std::size_t pick_body_bytes(sim::Prng& prng, std::size_t most_bytes);

class ObjectClient {
 public:
  ObjectClient(ReferenceModel& model, catalog::BucketId bucket, std::uint64_t seed,
               std::string name, ClientOptions options)
      : model_(model),
        bucket_(bucket),
        prng_(seed),
        name_(std::move(name)),
        options_(std::move(options)) {}

  // Works until stop(); `self` and `worker` outlive the task.
  static Task<void> run(ObjectClient* self, Gateway::Worker* worker);
  void stop() { stopping_ = true; }
  bool busy() const { return busy_; }
  const ClientCounters& counters() const { return counters_; }

  // Single operations, for tests that check that they succeed. Empty: it did; else why not.
  Task<std::string> put(Gateway::Worker& worker, std::string key);
  Task<std::string> get(Gateway::Worker& worker, std::string key);
  Task<std::string> list(Gateway::Worker& worker);
  Task<std::string> remove(Gateway::Worker& worker, std::string key);

 private:
  struct Busy;  // true while the task lives
  Task<std::string> step(Gateway::Worker& worker);
  Task<std::string> get_range(Gateway::Worker& worker, std::string key);
  Task<std::string> remove_many(Gateway::Worker& worker);
  Task<std::string> copy(Gateway::Worker& worker);
  Task<std::string> upload(Gateway::Worker& worker);
  Task<std::string> add_part(Gateway::Worker& worker, const catalog::Upload& upload,
                             std::uint32_t number, bool last, std::string& bytes,
                             catalog::CompletedPart& done);
  Task<std::string> plant(Gateway::Worker& worker, object::StoredBody& body);

  const std::string& pick_key() { return options_.keys[prng_.below(options_.keys.size())]; }
  Temper pick_temper();
  // A condition of a put or a delete, in the words of the model and of the catalog.
  void pick_conditions(Request& request, catalog::Preconditions& preconditions, bool may_be_absent);
  std::shared_ptr<const std::string> new_bytes() {
    return random_bytes(prng_.next(), pick_body_bytes(prng_, options_.most_bytes));
  }
  // Ends an attempt by what the catalog said.
  std::string end(Attempt& attempt, const Status& status);
  void check_bytes(const std::string& key, const Value& value, std::uint64_t offset,
                   std::uint64_t length, const std::string& got);

  ReferenceModel& model_;
  catalog::BucketId bucket_;
  sim::Prng prng_;
  std::string name_;
  ClientOptions options_;
  ClientCounters counters_;
  bool stopping_ = false;
  bool busy_ = false;
};

}  // namespace hydra::gridsim
