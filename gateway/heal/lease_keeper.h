// LeaseKeeper: holds a lease of the catalog for this process as long as nobody else has it, and
// knows whether it does. Belongs to one loop.
#pragma once

#include <string>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"

namespace hydra::heal {

class LeaseKeeper {
 public:
  LeaseKeeper(Loop& loop, catalog::Catalog& catalog, std::string name, Nanos ttl);

  // Runs until the loop ends.
  static Task<void> run(LeaseKeeper* self);
  // Ends some time before the lease does, so that what is begun then is not yet another's.
  bool held() const { return loop_.now() < until_ - ttl_ / 6; }

 private:
  Loop& loop_;
  catalog::Catalog& catalog_;
  std::string name_;
  std::string holder_;  // this process
  Nanos ttl_;
  Nanos until_ = 0;
};

}  // namespace hydra::heal
