#include "gateway/admin/status_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace hydra::admin {

namespace {

using Json = nlohmann::ordered_json;

std::string write(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json write_score(const agent::NodeScore& score) {
  return {{"score", score.score},           {"presence", score.presence},
          {"steadiness", score.steadiness}, {"errors", score.errors},
          {"speed", score.speed},           {"ejected", score.ejected},
          {"flapping", score.flapping}};
}

Json write_use(const object::CacheUse& use) {
  const auto rate = use.hit_rate();
  return {{"hits", use.hits},     {"hit_bytes", use.hit_bytes},
          {"misses", use.misses}, {"hit_rate", rate ? Json(*rate) : Json(nullptr)},
          {"lapses", use.lapses}, {"wrong", use.wrong},
          {"filled", use.filled}, {"dropped", use.dropped}};
}

Json write_node(const NodeStatus& node) {
  return {{"id", node.id},
          {"role", role_name(node.role)},
          {"name", node.name},
          {"zone", node.zone},
          {"version", node.version},
          {"state", state_name(node.state)},
          {"fenced", node.load.fenced},
          {"draining", node.draining},
          {"placed", node.placed},
          {"seen", node.seen},
          {"capacity_bytes", node.capacity_bytes},
          {"weight", node.weight},
          {"used_bytes", node.load.used_bytes},
          {"free_bytes", node.load.free_bytes},
          {"heartbeat_age_ms", node.heartbeat_age_ms},
          {"latency_p50_us", node.latency_p50_us},
          {"latency_p95_us", node.latency_p95_us},
          {"shards", node.load.shards},
          {"syncs", node.load.syncs},
          {"sync_us", node.load.sync_us},
          {"bytes_written", node.load.bytes_written},
          {"errors", node.load.errors},
          {"reputation", write_score(node.score)}};
}

Json write_cache(const GridStatus& status) {
  Json cache = write_use(cache_use(status));
  cache["nodes"] = Json::array();
  for (const auto& node : status.caches) {
    Json written = write_node(node);
    written["cache"] = write_use(node.cache);
    cache["nodes"].push_back(std::move(written));
  }
  return cache;
}

Json write_capacity(const Capacity& capacity) {
  return {{"raw_bytes", capacity.raw_bytes},
          {"used_bytes", capacity.used_bytes},
          {"usable_bytes", capacity.usable_bytes},
          {"available_bytes", capacity.available_bytes},
          {"stored_bytes", capacity.stored_bytes}};
}

Json write_totals(const GridTotals& totals) {
  return {{"buckets", totals.buckets},
          {"objects", totals.objects},
          {"uploads", totals.uploads},
          {"extents", totals.extents},
          {"extent_bytes", totals.extent_bytes},
          {"dead_extents", totals.dead_extents},
          {"repairs", totals.repairs}};
}

Json write_journal(const std::optional<JournalStatus>& journal) {
  if (!journal) return nullptr;
  const auto age = journal->snapshot_age_ms;
  return {{"begun", journal->begun},
          {"based", journal->based},
          {"able", journal->able},
          {"copies", journal->copies},
          {"takers", journal->takers},
          {"waiting_records", journal->waiting_records},
          {"bytes_since_snapshot", journal->bytes_since_snapshot},
          {"snapshot_age_ms", age ? Json(*age) : Json(nullptr)},
          {"records", journal->records},
          {"retries", journal->retries},
          {"snapshots", journal->snapshots}};
}

Json write_profile(const std::optional<erasure::Profile>& profile) {
  return profile ? Json(profile->to_string()) : Json(nullptr);
}

// Reading: a member that is absent leaves the default; one of a wrong type throws.
template <typename T>
void read(const Json& from, const char* name, T& into) {
  if (const auto found = from.find(name); found != from.end()) found->get_to(into);
}

agent::NodeScore read_score(const Json& from) {
  agent::NodeScore score;
  read(from, "score", score.score);
  read(from, "presence", score.presence);
  read(from, "steadiness", score.steadiness);
  read(from, "errors", score.errors);
  read(from, "speed", score.speed);
  read(from, "ejected", score.ejected);
  read(from, "flapping", score.flapping);
  return score;
}

erasure::Profile read_profile(const Json& from) {
  const auto parsed = erasure::Profile::parse(from.get<std::string>());
  if (!parsed) throw std::invalid_argument(parsed.error().message);
  return *parsed;
}

object::CacheUse read_use(const Json& from) {
  object::CacheUse use;
  read(from, "hits", use.hits);
  read(from, "hit_bytes", use.hit_bytes);
  read(from, "misses", use.misses);
  read(from, "lapses", use.lapses);
  read(from, "wrong", use.wrong);
  read(from, "filled", use.filled);
  read(from, "dropped", use.dropped);
  return use;
}

NodeStatus read_node(const Json& from) {
  NodeStatus node;
  from.at("id").get_to(node.id);
  from.at("name").get_to(node.name);
  read(from, "zone", node.zone);
  read(from, "version", node.version);
  const auto state = parse_state(from.at("state").get<std::string>());
  if (!state) throw std::invalid_argument("unknown state of a node");
  node.state = *state;
  read(from, "fenced", node.load.fenced);
  read(from, "draining", node.draining);
  read(from, "placed", node.placed);
  read(from, "seen", node.seen);
  read(from, "capacity_bytes", node.capacity_bytes);
  read(from, "weight", node.weight);
  read(from, "used_bytes", node.load.used_bytes);
  read(from, "free_bytes", node.load.free_bytes);
  read(from, "heartbeat_age_ms", node.heartbeat_age_ms);
  read(from, "latency_p50_us", node.latency_p50_us);
  read(from, "latency_p95_us", node.latency_p95_us);
  read(from, "shards", node.load.shards);
  read(from, "syncs", node.load.syncs);
  read(from, "sync_us", node.load.sync_us);
  read(from, "bytes_written", node.load.bytes_written);
  read(from, "errors", node.load.errors);
  if (const auto found = from.find("reputation"); found != from.end())
    node.score = read_score(*found);
  if (const auto found = from.find("role"); found != from.end()) {
    const auto role = parse_role(found->get<std::string>());
    if (!role) throw std::invalid_argument("unknown role of a node");
    node.role = *role;
  }
  if (const auto found = from.find("cache"); found != from.end()) node.cache = read_use(*found);
  return node;
}

Capacity read_capacity(const Json& from) {
  Capacity capacity;
  read(from, "raw_bytes", capacity.raw_bytes);
  read(from, "used_bytes", capacity.used_bytes);
  read(from, "usable_bytes", capacity.usable_bytes);
  read(from, "available_bytes", capacity.available_bytes);
  read(from, "stored_bytes", capacity.stored_bytes);
  return capacity;
}

GridTotals read_totals(const Json& from) {
  GridTotals totals;
  read(from, "buckets", totals.buckets);
  read(from, "objects", totals.objects);
  read(from, "uploads", totals.uploads);
  read(from, "extents", totals.extents);
  read(from, "extent_bytes", totals.extent_bytes);
  read(from, "dead_extents", totals.dead_extents);
  read(from, "repairs", totals.repairs);
  return totals;
}

std::optional<JournalStatus> read_journal(const Json& from) {
  if (from.is_null()) return std::nullopt;
  JournalStatus journal;
  read(from, "begun", journal.begun);
  read(from, "based", journal.based);
  read(from, "able", journal.able);
  read(from, "copies", journal.copies);
  read(from, "takers", journal.takers);
  read(from, "waiting_records", journal.waiting_records);
  read(from, "bytes_since_snapshot", journal.bytes_since_snapshot);
  if (const Json age = from.value("snapshot_age_ms", Json()); !age.is_null())
    journal.snapshot_age_ms = age.get<std::int64_t>();
  read(from, "records", journal.records);
  read(from, "retries", journal.retries);
  read(from, "snapshots", journal.snapshots);
  return journal;
}

GridStatus take_status(const Json& from) {
  GridStatus status;
  const auto verdict = parse_verdict(from.at("verdict").get<std::string>());
  if (!verdict) throw std::invalid_argument("unknown verdict");
  status.verdict = *verdict;
  read(from, "reasons", status.reasons);
  read(from, "version", status.version);
  read(from, "cluster", status.cluster);
  status.profile = read_profile(from.at("profile"));
  if (const Json& now = from.at("write_profile"); !now.is_null())
    status.write_profile = read_profile(now);
  from.at("nodes_may_fail").get_to(status.nodes_may_fail);
  read(from, "ring_epoch", status.ring_epoch);
  status.capacity = read_capacity(from.at("capacity"));
  status.totals = read_totals(from.at("totals"));
  for (const Json& node : from.at("nodes")) status.nodes.push_back(read_node(node));
  if (const auto found = from.find("journal"); found != from.end())
    status.journal = read_journal(*found);
  if (const auto cache = from.find("cache"); cache != from.end())
    for (const Json& node : cache->at("nodes")) status.caches.push_back(read_node(node));
  return status;
}

}  // namespace

Json write_status(const GridStatus& status) {
  Json nodes = Json::array();
  for (const auto& node : status.nodes) nodes.push_back(write_node(node));
  return {{"verdict", verdict_name(status.verdict)},
          {"reasons", status.reasons},
          {"version", status.version},
          {"cluster", status.cluster},
          {"profile", status.profile.to_string()},
          {"write_profile", write_profile(status.write_profile)},
          {"nodes_may_fail", status.nodes_may_fail},
          {"ring_epoch", status.ring_epoch},
          {"capacity", write_capacity(status.capacity)},
          {"totals", write_totals(status.totals)},
          {"journal", write_journal(status.journal)},
          {"nodes", std::move(nodes)},
          {"cache", write_cache(status)}};
}

std::string to_json(const GridStatus& status) { return write(write_status(status)); }

Result<GridStatus> read_status(const Json& json) {
  try {
    return take_status(json);
  } catch (const std::exception& error) {
    return fail(Code::kInvalidArgument, std::string("not a status: ") + error.what());
  }
}

Result<GridStatus> parse_status(std::string_view json) {
  return read_status(Json::parse(json, nullptr, false));
}

std::string to_public_json(const GridStatus& status) {
  const auto count = [&](agent::NodeState state) {
    return std::ranges::count(status.nodes, state, &NodeStatus::state);
  };
  return write({{"verdict", verdict_name(status.verdict)},
                {"reasons", status.reasons},
                {"profile", status.profile.to_string()},
                {"write_profile", write_profile(status.write_profile)},
                {"nodes_may_fail", status.nodes_may_fail},
                {"nodes",
                 {{"healthy", count(agent::NodeState::kHealthy)},
                  {"suspect", count(agent::NodeState::kSuspect)},
                  {"down", count(agent::NodeState::kDown)},
                  {"writable", std::ranges::count_if(status.nodes, &NodeStatus::takes_writes)}}},
                {"repairs", status.totals.repairs}});
}

std::string unavailable_json(std::string_view reason) {
  return write({{"verdict", verdict_name(Verdict::kUnavailable)},
                {"reasons", Json::array({std::string(reason)})}});
}

}  // namespace hydra::admin
