#include "base/runtime/sim/sim_image.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <string>

namespace hydra::sim {
namespace {

RC_GTEST_PROP(SparseBytes, BehaveAsAPlainArray, ()) {
  constexpr std::uint64_t kSize = 5 * kPageBytes;
  SparseBytes sparse;
  SparseBytes copy;
  std::string plain(kSize, '\0');
  std::string plain_copy = plain;
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const auto offset = *rc::gen::inRange<std::uint64_t>(0, kSize);
    const auto length = *rc::gen::inRange<std::uint64_t>(0, kSize - offset + 1);
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        sparse.clear(offset, length);
        plain.replace(offset, length, length, '\0');
        break;
      case 1:
        copy = sparse;
        plain_copy = plain;
        break;
      default: {
        const std::string text(length, static_cast<char>('a' + i % 26));
        sparse.write(offset, as_bytes(text));
        plain.replace(offset, length, text);
      }
    }
  }
  std::string read(kSize, '?');
  sparse.read(0, std::as_writable_bytes(std::span(read)));
  RC_ASSERT(read == plain);
  copy.read(0, std::as_writable_bytes(std::span(read)));
  RC_ASSERT(read == plain_copy);
}

RC_GTEST_PROP(PageSet, BehavesAsASetOfNumbers, ()) {
  PageSet pages;
  std::set<std::uint64_t> plain;
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, 50);
    const auto end = *rc::gen::inRange<std::uint64_t>(0, 50);
    const bool add = *rc::gen::arbitrary<bool>();
    std::uint64_t missing = 0;
    for (std::uint64_t page = first; page < end; ++page) missing += plain.contains(page) ? 0 : 1;
    RC_ASSERT(pages.missing(first, end) == missing);
    add ? pages.add(first, end) : pages.remove(first, end);
    for (std::uint64_t page = first; page < end; ++page)
      add ? void(plain.insert(page)) : void(plain.erase(page));
    RC_ASSERT(pages.count() == plain.size());
  }
}

}  // namespace
}  // namespace hydra::sim
