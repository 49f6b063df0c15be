#include "gateway/journal/survey.h"

#include <algorithm>

namespace hydra::journal {

namespace {
constexpr std::size_t kPage = 2048;
constexpr Nanos kListPatience = 30 * kSecond;
constexpr Nanos kReadPatience = 30 * kSecond;

Task<Result<std::string>> read_shard(Loop& loop, agent::Grid& grid, const Place& place) {
  std::string bytes;
  const std::uint64_t length = place.shard.layout.length;
  HYDRA_CO_TRY(const Buffer got, co_await grid.read(place.node, place.shard.id, 0, length,
                                                    loop.after(kReadPatience)));
  if (got.size() != length) co_return fail(Code::kCorrupt, "a copy that ends early");
  append(bytes, got.view());
  co_return bytes;
}
}  // namespace

Task<Status> survey(Loop& loop, agent::Grid& grid, const std::vector<NodeId>& nodes,
                    Survey& found) {
  for (const NodeId node : nodes) {
    ShardId after = before_reserved();
    for (;;) {
      HYDRA_CO_TRY(const auto page,
                   co_await grid.list(node, after, kPage, loop.after(kListPatience)));
      for (const auto& shard : page) {
        after = shard.id;
        const auto name = parse_reserved(shard.id.extent);
        if (!name) continue;
        auto& places = name->kind == Kind::kRoot ? found.roots : found.records;
        places[name->sequence].push_back({node, shard});
        found.greatest = std::max(found.greatest, name->sequence);
      }
      if (page.size() < kPage) break;
    }
  }
  co_return Status();
}

Task<Result<std::string>> read_copy(Loop& loop, agent::Grid& grid, Sealer& sealer, Kind kind,
                                    std::uint64_t sequence, const std::vector<Place>& places) {
  Error last{Code::kNotFound, "no copy is there"};
  for (const Place& place : places) {
    auto bytes = co_await read_shard(loop, grid, place);
    if (!bytes) {
      last = bytes.error();
      continue;
    }
    const auto opened = sealer.open(as_bytes(*bytes));
    if (opened && opened->header.kind == kind && opened->header.sequence == sequence)
      co_return std::move(*bytes);
    last = opened ? Error{Code::kCorrupt, "a copy under another's name"} : opened.error();
  }
  co_return fail(std::move(last));
}

}  // namespace hydra::journal
