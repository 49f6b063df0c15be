#include "gateway/recover.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/kv/memory_store.h"
#include "gateway/catalog/catalog_audit.h"
#include "gateway/catalog/keys_format.h"
#include "gateway/catalog/rows_format.h"
#include "gateway/gateway.h"
#include "gateway/journal/rebuild.h"
#include "gateway/journal/survey.h"
#include "nodeagent/client/grid_server.h"

namespace hydra {

namespace {

constexpr Nanos kLook = 200 * kMillisecond;
constexpr Nanos kAsk = 10 * kSecond;

// A root that could be read.
struct FoundRoot {
  journal::Header header;
  journal::Root root;
};

std::string join(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

class Recovery {
 public:
  Recovery(Loop& loop, RecoverOptions options, object::KeyRing keys)
      : loop_(loop),
        options_(std::move(options)),
        keys_(std::move(keys)),
        sealer_(Gateway::journal_keys_of(keys_)),
        grid_(loop) {}

  static Task<Result<RecoverReport>> run(Recovery& self);
  Task<void> clear();

 private:
  std::string scratch() const { return options_.catalog_directory + ".recovering"; }
  void say(std::string sentence) const {
    if (options_.say) options_.say(std::move(sentence));
  }
  Status open_door();
  Result<ClusterId> cluster_for(const std::optional<ClusterId>& theirs,
                                const agent::NodeDescription& node);
  static Task<Result<NodeId>> admit(Recovery* self, NodeIdentity identity);
  std::vector<NodeId> linked() const;
  bool has_come(const NodeIdentity& identity) const {
    const auto known = numbers_.find(identity);
    return known != numbers_.end() && grid_.usable(known->second);
  }
  std::vector<std::string> absent(const std::vector<journal::RootNode>& nodes) const;
  Task<Status> await_nodes();
  Task<void> look_for_roots();
  Task<Result<catalog::ReadPlan>> plan_of(const FoundRoot& found);
  Task<Status> load(const FoundRoot& found, journal::Rebuild& rebuild);
  Task<Result<bool>> replay_next(journal::Rebuild& rebuild);
  Task<Status> check_end(const journal::Rebuild& rebuild);
  Result<RecoverReport> check_rows(kv::Store& store);
  Task<Result<RecoverReport>> build(kv::Store& store);
  Task<Result<RecoverReport>> build_from(const FoundRoot& found, kv::Store& store);
  Task<Status> put_in_place();

  Loop& loop_;
  RecoverOptions options_;
  object::KeyRing keys_;
  journal::Sealer sealer_;
  std::optional<ClusterId> cluster_;  // of the first node that proved itself
  std::map<NodeIdentity, ClusterId> claimed_;
  std::map<NodeIdentity, NodeId> numbers_;  // of this run only
  agent::GridClient grid_;
  std::unique_ptr<agent::GridServer> door_;
  journal::Survey survey_;
  std::vector<NodeId> surveyed_;
  std::vector<FoundRoot> roots_;  // the newest first
  std::optional<Error> too_few_;  // nodes, unless enough of them have been removed since that root
};

// The grid is that of the first node that proves itself. Devices that belong to none have nothing
// to tell.
Result<ClusterId> Recovery::cluster_for(const std::optional<ClusterId>& theirs,
                                        const agent::NodeDescription& node) {
  if (!theirs) return fail(Code::kUnavailable, "a catalog is being recovered; come back later");
  if (cluster_ && *cluster_ != *theirs)
    return fail(Code::kConflict,
                "node " + node.name + " belongs to another grid than those before it");
  claimed_[node.identity] = *theirs;
  return *theirs;
}

// Its proof was over the cluster it had claimed.
Task<Result<NodeId>> Recovery::admit(Recovery* self, NodeIdentity identity) {
  if (!self->cluster_) self->cluster_ = self->claimed_[identity];
  const auto next = static_cast<NodeId>(self->numbers_.size() + 1);
  co_return self->numbers_.emplace(identity, next).first->second;
}

Status Recovery::open_door() {
  agent::GridServerOptions door;
  door.addresses = options_.grid_addresses;
  door.cluster_for = [this](const std::optional<ClusterId>& theirs,
                            const agent::NodeDescription& node) {
    return cluster_for(theirs, node);
  };
  door.secret = Gateway::grid_secret_of(keys_);
  door.workers.push_back(&grid_);
  door.on_link = [this](agent::NodeDescription node, Loop&) { return admit(this, node.identity); };
  door.log = [this](std::string sentence) { say(std::move(sentence)); };
  HYDRA_TRY(door_, agent::GridServer::start(loop_, std::move(door)));
  return {};
}

std::vector<NodeId> Recovery::linked() const {
  std::vector<NodeId> nodes;
  for (const auto& view : grid_.nodes())
    if (grid_.usable(view.id) && view.description.role == agent::NodeRole::kStorage)
      nodes.push_back(view.id);
  return nodes;
}

std::vector<std::string> Recovery::absent(const std::vector<journal::RootNode>& nodes) const {
  std::vector<std::string> names;
  for (const auto& node : nodes)
    if (!has_come(node.identity)) names.push_back(node.name);
  return names;
}

// Reads the roots that the linked nodes hold, the newest first.
Task<void> Recovery::look_for_roots() {
  survey_ = {};
  roots_.clear();
  surveyed_ = linked();
  const Status status = co_await journal::survey(loop_, grid_, surveyed_, survey_);
  if (!status) {
    say("A node does not tell what it holds: " + status.error().to_string() + ".");
    surveyed_.clear();
    co_return;
  }
  for (auto at = survey_.roots.rbegin(); at != survey_.roots.rend(); ++at) {
    const auto bytes = co_await journal::read_copy(loop_, grid_, sealer_, journal::Kind::kRoot,
                                                   at->first, at->second);
    if (!bytes) {
      say(fmt::format("The root {} cannot be read: {}.", at->first, bytes.error().to_string()));
      continue;
    }
    const auto opened = sealer_.open(as_bytes(*bytes));
    if (!opened) continue;
    auto root = journal::decode_root(as_bytes(opened->plain));
    if (!root || root->cluster != *cluster_) {
      say(fmt::format("The root {} is damaged.", at->first));
      continue;
    }
    roots_.push_back({opened->header, std::move(*root)});
  }
}

// Until all nodes are there that the newest root names; when the time is over, all will do but m of
// those that still belong to the grid.
Task<Status> Recovery::await_nodes() {
  const Nanos end = loop_.now() + options_.wait;
  say("Waiting for the nodes of the grid.");
  for (;;) {
    if (linked() != surveyed_) co_await look_for_roots();
    std::vector<std::string> missing;
    if (!roots_.empty()) {
      missing = absent(roots_.front().root.nodes);
      if (missing.empty()) co_return Status();
    }
    if (loop_.now() < end) {
      co_await sleep_for(loop_, kLook);
      continue;
    }
    const std::size_t came = linked().size();
    if (came == 0)
      co_return fail(Code::kUnavailable,
                     "no node has come; are the agents running, with this grid's keys?");
    if (roots_.empty())
      co_return fail(Code::kNotFound,
                     fmt::format("{} nodes have come, and none holds a root of the journal", came));
    // Some of them may have been removed from the grid since: the rows will tell.
    const std::size_t copies = roots_.front().root.copies;
    if (missing.size() >= copies)
      too_few_ =
          Error{Code::kUnavailable,
                fmt::format("only {} of {} nodes have come, and no more than {} may be "
                            "missing: start {}, or give more time with --wait",
                            came, roots_.front().root.nodes.size(), copies - 1, join(missing))};
    say(fmt::format("Going on without {}.", join(missing)));
    co_return Status();
  }
}

// Where the shards of the snapshot lie now. Nodes may have been repaired since it was made.
Task<Result<catalog::ReadPlan>> Recovery::plan_of(const FoundRoot& found) {
  const journal::Root& root = found.root;
  catalog::ReadPlan plan;
  catalog::ReadPlan::Run run{{root.body, 0, root.plain_bytes, root.key}, root.plain_bytes, {}};
  for (const auto& named : root.extents) {
    catalog::Extent extent;
    extent.id = extent.stored_as = named.stored_as;
    extent.profile = extent.wanted = named.profile;
    extent.length = extent.live_bytes = named.length;
    std::size_t lost = 0;
    for (int index = 0; index < named.profile.shards(); ++index) {
      const ShardId shard{named.stored_as, static_cast<std::uint8_t>(index)};
      NodeId holder = 0;
      for (const NodeId node : linked()) {
        if (!co_await grid_.info(node, shard, loop_.after(kAsk))) continue;
        holder = node;
        break;
      }
      extent.nodes.push_back(holder);
      if (holder != 0) continue;
      extent.missing |= 1u << index;
      ++lost;
    }
    if (lost > named.profile.m)
      co_return fail(Code::kCorrupt,
                     fmt::format("the snapshot is not whole: {} of {} shards of its extent {} are "
                                 "on no node that has come",
                                 lost, named.profile.shards(), named.stored_as.to_string()));
    run.pieces.push_back({extent.id, 0, extent.length});
    plan.extents.push_back(std::move(extent));
  }
  plan.runs.push_back(std::move(run));
  co_return plan;
}

Task<Status> Recovery::load(const FoundRoot& found, journal::Rebuild& rebuild) {
  HYDRA_CO_TRY(const catalog::ReadPlan plan, co_await plan_of(found));
  // The pipeline wants a catalog; it has nothing to ask it here.
  HYDRA_CO_TRY(
      const auto unused,
      catalog::Catalog::open(loop_, kv::open_memory(std::make_shared<kv::MemoryImage>(), {})));
  const object::PlacementBoard board;
  object::ObjectStore store(loop_, grid_, *unused, board, keys_, {});
  HYDRA_CO_CHECK_OK(co_await store.send(plan, rebuild));
  co_return rebuild.loaded(found.header);
}

// False: no record continues the chain.
Task<Result<bool>> Recovery::replay_next(journal::Rebuild& rebuild) {
  const auto places = survey_.records.find(rebuild.sequence() + 1);
  if (places == survey_.records.end()) co_return false;
  // Each copy by itself: those of a chain that ended differ from those of the one that goes on.
  std::optional<Error> last;
  for (const auto& place : places->second) {
    const auto bytes = co_await journal::read_copy(loop_, grid_, sealer_, journal::Kind::kRecord,
                                                   places->first, {place});
    if (!bytes) {
      last = bytes.error();
      continue;
    }
    HYDRA_CO_TRY(const auto opened, sealer_.open(as_bytes(*bytes)));
    HYDRA_CO_TRY(const bool fits, rebuild.replay(as_bytes(*bytes), opened));
    if (fits) co_return true;
  }
  if (last) say(fmt::format("The record {} cannot be read: {}.", places->first, last->to_string()));
  co_return false;
}

// What lies behind the end of the chain may be what nobody was told of; but no record there may say
// that clients were told of more than was replayed.
Task<Status> Recovery::check_end(const journal::Rebuild& rebuild) {
  const std::uint64_t newest_root = survey_.roots.rbegin()->first;
  if (rebuild.sequence() < newest_root)
    co_return fail(Code::kCorrupt,
                   fmt::format("the journal has a gap: record {} is on no node that has come, and "
                               "there was a root at {}",
                               rebuild.sequence() + 1, newest_root));
  for (auto at = survey_.records.upper_bound(rebuild.sequence()); at != survey_.records.end();
       ++at) {
    const auto bytes = co_await journal::read_copy(loop_, grid_, sealer_, journal::Kind::kRecord,
                                                   at->first, at->second);
    if (!bytes) continue;
    HYDRA_CO_TRY(const auto header, journal::decode_header(as_bytes(*bytes)));
    if (header.acknowledged > rebuild.sequence())
      co_return fail(Code::kCorrupt,
                     fmt::format("the journal has a gap: record {} is on no node that has come, "
                                 "and commits up to {} were acknowledged",
                                 rebuild.sequence() + 1, header.acknowledged));
  }
  co_return Status();
}

Result<RecoverReport> Recovery::check_rows(kv::Store& store) {
  HYDRA_TRY(const auto rows, store.snapshot());
  const auto faults = catalog::audit(*rows);
  if (!faults.empty())
    return fail(Code::kCorrupt, fmt::format("the recovered rows do not add up: {} ({} faults)",
                                            faults.front(), faults.size()));
  HYDRA_TRY(const auto row, rows->get(as_bytes(table_key(catalog::Table::kState))));
  if (!row) return fail(Code::kCorrupt, "the recovered catalog has no state row");
  HYDRA_TRY(const auto state, catalog::decode_state(*row));
  RecoverReport report;
  report.objects = state.objects;
  report.buckets = state.buckets;
  report.nodes = linked().size();

  std::vector<journal::RootNode> nodes;
  const auto cursor = rows->cursor();
  HYDRA_TRY(bool more, cursor->seek(as_bytes(table_key(catalog::Table::kNodes))));
  while (more) {
    const auto id = catalog::parse_node_key(cursor->key());
    if (!id) break;
    HYDRA_TRY(const auto node, catalog::decode_node(*id, cursor->value()));
    if (node.stores()) nodes.push_back({*id, node.identity, node.name, node.zone});
    HYDRA_TRY(more, cursor->next());
  }
  report.missing = absent(nodes);
  return report;
}

Task<Result<RecoverReport>> Recovery::build_from(const FoundRoot& found, kv::Store& store) {
  journal::Rebuild rebuild(store, *cluster_);
  say(fmt::format("Loading the snapshot {} of {} objects.", found.header.sequence,
                  found.root.objects));
  HYDRA_CO_CHECK_OK(co_await load(found, rebuild));
  for (;;) {
    HYDRA_CO_TRY(const bool more, co_await replay_next(rebuild));
    if (!more) break;
  }
  HYDRA_CO_CHECK_OK(co_await check_end(rebuild));
  HYDRA_CO_CHECK_OK(rebuild.finish(journal::first_sequence(loop_.wall_ms(), survey_.greatest)));
  HYDRA_CO_TRY(RecoverReport report, check_rows(store));
  // Nodes that joined after the root may be the only ones that hold the last records.
  if (report.missing.size() >= found.root.copies)
    co_return fail(Code::kUnavailable,
                   fmt::format("the newest commits may lie on nodes that have not come: start {}",
                               join(report.missing)));
  report.sequence = rebuild.sequence();
  report.replayed = rebuild.replayed();
  report.last_commit_ms = rebuild.replayed() > 0 ? rebuild.made_ms() : found.root.made_ms;
  co_return report;
}

// From the newest root that is whole.
Task<Result<RecoverReport>> Recovery::build(kv::Store& store) {
  std::optional<Error> newest;
  for (const FoundRoot& found : roots_) {
    auto report = co_await build_from(found, store);
    if (report) co_return report;
    if (!newest) newest = report.error();
    say(fmt::format("The root {} is of no use: {}.", found.header.sequence,
                    report.error().message));
    HYDRA_CO_CHECK_OK(journal::erase_all(store));
  }
  co_return fail(std::move(*newest));
}

// The files of an attempt that did not end well.
Task<void> Recovery::clear() {
  Disk& disk = loop_.disk();
  const auto names = co_await disk.list(scratch());
  if (!names) co_return;
  for (const std::string& name : *names)
    if (const Status removed = co_await disk.remove(scratch() + "/" + name); !removed)
      say("A file of the attempt remains: " + removed.error().message + ".");
  if (const Status removed = co_await disk.remove(scratch()); !removed)
    say("The directory of the attempt remains: " + removed.error().message + ".");
}

Task<Status> Recovery::put_in_place() {
  Disk& disk = loop_.disk();
  const std::string& directory = options_.catalog_directory;
  HYDRA_CO_CHECK_OK(co_await disk.sync_directory(scratch()));
  HYDRA_CO_CHECK_OK(co_await disk.rename(scratch(), directory));
  co_return co_await disk.sync_directory(directory.substr(0, directory.rfind('/')));
}

Task<Result<RecoverReport>> Recovery::run(Recovery& self) {
  Disk& disk = self.loop_.disk();
  const auto there = co_await disk.list(self.options_.catalog_directory);
  if (there && !there->empty())
    co_return fail(Code::kAlreadyExists, self.options_.catalog_directory +
                                             " is not empty: recover only onto an empty one");
  co_await self.clear();
  HYDRA_CO_CHECK_OK(co_await disk.make_directories(self.scratch()));
  HYDRA_CO_CHECK_OK(self.open_door());
  HYDRA_CO_CHECK_OK(co_await self.await_nodes());
  kv::Options options = self.options_.catalog;
  options.durable = false;
  HYDRA_CO_TRY(auto store, disk.open_kv(self.scratch(), options));
  auto report = co_await self.build(*store);
  store.reset();
  if (!report && self.too_few_) co_return fail(std::move(*self.too_few_));
  if (!report) co_return report;
  HYDRA_CO_CHECK_OK(co_await self.put_in_place());
  co_return report;
}

}  // namespace

Task<Result<RecoverReport>> recover(Loop& loop, RecoverOptions options) {
  while (options.catalog_directory.size() > 1 && options.catalog_directory.ends_with('/'))
    options.catalog_directory.pop_back();
  HYDRA_CO_TRY(object::KeyRing keys, object::KeyRing::parse(options.key_file_text));
  Recovery recovery(loop, std::move(options), std::move(keys));
  auto report = co_await Recovery::run(recovery);
  if (!report && report.error().code != Code::kAlreadyExists) co_await recovery.clear();
  co_return report;
}

}  // namespace hydra
