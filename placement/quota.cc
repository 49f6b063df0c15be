#include "placement/quota.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "base/assert.h"

namespace hydra::placement {
namespace {

using Amounts = std::vector<double>;
constexpr double kSmallestPart = 1e-9;

double added(const Amounts& amounts) {
  return std::accumulate(amounts.begin(), amounts.end(), 0.0);
}

std::uint32_t zone_count(std::span<const QuotaNode> nodes) {
  std::uint32_t zones = 0;
  for (const QuotaNode& node : nodes) zones = std::max(zones, node.zone + 1);
  return zones;
}

// The level at which fill(level), which grows with it, reaches the total. At `high` it does.
double level_for(double total, double high, const std::function<double(double)>& fill) {
  double low = 0;
  for (int i = 0; i < 200; ++i) {
    const double middle = low + (high - low) / 2;
    (fill(middle) < total ? low : high) = middle;
  }
  return high;
}

// Whole numbers near the amounts that add up to the total: rounded down, the largest remainders
// then up.
std::vector<std::uint32_t> round_to_sum(const Amounts& amounts, std::uint32_t total) {
  constexpr double kNoise = 1e-6;
  std::vector<std::uint32_t> whole(amounts.size());
  std::vector<double> remainder(amounts.size());
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    whole[i] = static_cast<std::uint32_t>(std::floor(amounts[i] + kNoise));
    remainder[i] = amounts[i] - whole[i];
  }
  std::vector<std::size_t> order(amounts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder[a] > remainder[b]; });
  const std::uint32_t sum = std::accumulate(whole.begin(), whole.end(), 0u);
  HYDRA_ASSERT(sum <= total && total - sum <= order.size());
  for (std::uint32_t i = 0; i < total - sum; ++i) ++whole[order[i]];
  return whole;
}

}  // namespace

std::uint32_t zone_limit(std::span<const QuotaNode> nodes, std::uint32_t width,
                         std::uint32_t wanted) {
  HYDRA_ASSERT(nodes.size() >= width);
  std::vector<std::uint32_t> members(zone_count(nodes));
  for (const QuotaNode& node : nodes) ++members[node.zone];
  for (std::uint32_t limit = wanted;; ++limit) {
    std::uint32_t room = 0;
    for (const std::uint32_t count : members) room += std::min(count, limit);
    if (room >= width) return limit;
  }
}

std::vector<std::uint32_t> slot_quotas(std::span<const QuotaNode> nodes, std::uint32_t rows,
                                       std::uint32_t width, std::uint32_t limit) {
  const std::uint32_t zones = zone_count(nodes);
  const std::uint32_t total = rows * width;
  std::vector<std::uint32_t> quotas(nodes.size());
  if (total == 0) return quotas;

  double sum = 0;
  for (const QuotaNode& node : nodes) sum += node.share;
  Amounts parts;  // of one, but never so small that arithmetic suffers
  for (const QuotaNode& node : nodes) {
    HYDRA_ASSERT(node.share > 0);
    parts.push_back(std::max(node.share / sum, kSmallestPart));
  }
  const auto node_amount = [&](std::size_t i, double level) {
    return std::min<double>(rows, level * parts[i]);
  };
  const auto zone_amounts = [&](double level) {
    Amounts amounts(zones);
    for (std::size_t i = 0; i < nodes.size(); ++i) amounts[nodes[i].zone] += node_amount(i, level);
    for (double& amount : amounts) amount = std::min<double>(amount, double(rows) * limit);
    return amounts;
  };

  const double top = 2 * rows / kSmallestPart;  // every node is full at this level
  const double level = level_for(total, top, [&](double at) { return added(zone_amounts(at)); });
  const std::vector<std::uint32_t> zone_totals = round_to_sum(zone_amounts(level), total);

  for (std::uint32_t zone = 0; zone < zones; ++zone) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (nodes[i].zone == zone) members.push_back(i);
    const auto amounts_at = [&](double at) {
      Amounts amounts;
      for (const std::size_t i : members) amounts.push_back(node_amount(i, at));
      return amounts;
    };
    const std::uint32_t wanted = zone_totals[zone];
    const double zone_level =
        level_for(wanted, top, [&](double at) { return added(amounts_at(at)); });
    const auto whole = round_to_sum(amounts_at(zone_level), wanted);
    for (std::size_t i = 0; i < members.size(); ++i) quotas[members[i]] = whole[i];
  }
  return quotas;
}

}  // namespace hydra::placement
