// Random histories of a store compared with std::map, over every backend.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/kv/store_backends.h"

namespace hydra::kv {
namespace {

using Model = std::map<std::string, std::string>;

// Few, similar keys: their lengths crowd around the places where the LMDB backend cuts, their bytes
// differ at the ends and are the extreme ones, so that prefixes are shared and namespaces come and
// go.
std::string make_key() {
  static const std::vector<std::size_t> kLengths = {
      1, 2, 3, 479, 480, 481, 482, 959, 960, 961, 962, 1439, 1440, 1441, 1923, 4095, 4096};
  std::size_t length = *rc::gen::elementOf(kLengths);
  char filler = *rc::gen::element('\0', 'm', '\xff');
  std::string key(length, filler);
  std::size_t tail = *rc::gen::inRange<std::size_t>(0, 3);
  for (std::size_t i = 0; i < tail && i < length; ++i)
    key[length - 1 - i] = *rc::gen::element('\0', '\1', 'm', '\xfe', '\xff');
  if (length > 480 && *rc::gen::inRange(0, 4) == 0) key[479] = *rc::gen::element('\0', 'm', '\xff');
  return key;
}

void check_cursor(Reader& reader, const Model& model, const std::string& target) {
  auto cursor = reader.cursor();
  auto at = model.lower_bound(target);
  bool found = cursor->seek(as_bytes(target)).value();
  for (int steps = 0; steps < 3; ++steps) {
    RC_ASSERT(found == (at != model.end()));
    if (!found) break;
    RC_ASSERT(std::string(as_text(cursor->key())) == at->first);
    RC_ASSERT(std::string(as_text(cursor->value())) == at->second);
    found = cursor->next().value();
    ++at;
  }
  at = model.lower_bound(target);
  found = cursor->seek_before(as_bytes(target)).value();
  RC_ASSERT(found == (at != model.begin()));
  if (!found) return;
  --at;
  RC_ASSERT(std::string(as_text(cursor->key())) == at->first);
  RC_ASSERT(std::string(as_text(cursor->value())) == at->second);
  found = cursor->next().value();
  ++at;
  RC_ASSERT(found == (at != model.end()));
  if (found) RC_ASSERT(std::string(as_text(cursor->key())) == at->first);
}

void check_all(Reader& reader, const Model& model) {
  auto cursor = reader.cursor();
  auto at = model.begin();
  for (bool found = cursor->seek({}).value(); found; found = cursor->next().value(), ++at) {
    RC_ASSERT(at != model.end());
    RC_ASSERT(std::string(as_text(cursor->key())) == at->first);
    RC_ASSERT(std::string(as_text(cursor->value())) == at->second);
  }
  RC_ASSERT(at == model.end());
  std::string target(kMaxKeyBytes + 1, '\xff');
  while (cursor->seek_before(as_bytes(target)).value()) {
    RC_ASSERT(at != model.begin());
    --at;
    target = as_text(cursor->key());
    RC_ASSERT(target == at->first);
  }
  RC_ASSERT(at == model.begin());
  for (const auto& [key, value] : model)
    RC_ASSERT(std::string(as_text(*reader.get(as_bytes(key)).value())) == value);
}

void write(Transaction& transaction, Model& model) {
  bool erase = *rc::gen::inRange(0, 5) < 2;
  if (erase && !model.empty() && *rc::gen::inRange(0, 4) != 0) {
    auto at = std::next(model.begin(), *rc::gen::inRange<int>(0, static_cast<int>(model.size())));
    RC_ASSERT(static_cast<bool>(transaction.erase(as_bytes(at->first))));
    model.erase(at);
    return;
  }
  std::string key = make_key();
  if (erase) {
    RC_ASSERT(static_cast<bool>(transaction.erase(as_bytes(key))));
    model.erase(key);
    return;
  }
  std::string value(*rc::gen::element<std::size_t>(0, 1, 8, 3000), *rc::gen::element('x', 'y'));
  RC_ASSERT(static_cast<bool>(transaction.put(as_bytes(key), as_bytes(value))));
  model[key] = value;
}

class StoreModelTest : public testing::TestWithParam<Backend> {};

TEST_P(StoreModelTest, BehavesAsAnOrderedMap) {
  auto check = [&] {
    auto place = GetParam().make();
    auto store = place->open({.durable = false});
    Model model;
    int transactions = *rc::gen::inRange(1, 12);
    for (int i = 0; i < transactions; ++i) {
      Model before = model;
      auto snapshot = store->snapshot().value();
      auto transaction = store->begin().value();
      int writes = *rc::gen::inRange(0, 12);
      for (int w = 0; w < writes; ++w) {
        write(*transaction, model);
        check_cursor(*transaction, model, make_key());
      }
      check_all(*transaction, model);
      bool committed = *rc::gen::inRange(0, 4) != 0;
      if (committed) RC_ASSERT(static_cast<bool>(transaction->commit()));
      transaction.reset();
      check_all(*snapshot, before);
      snapshot.reset();
      if (!committed) model = before;
      if (*rc::gen::inRange(0, 8) == 0) {
        store.reset();
        store = place->open({.durable = false});
      }
    }
    auto snapshot = store->snapshot().value();
    check_all(*snapshot, model);
    for (int i = 0; i < 10; ++i) check_cursor(*snapshot, model, make_key());
  };
  EXPECT_TRUE(rc::check(check));
}

INSTANTIATE_TEST_SUITE_P(Backends, StoreModelTest, testing::ValuesIn(kBackends), backend_name);

}  // namespace
}  // namespace hydra::kv
