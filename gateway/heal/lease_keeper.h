// LeaseKeeper: a lease of the catalog as this process sees it: takes it when nobody else has it,
// and knows whether it is held. Belongs to one loop.
#pragma once

#include <string>

#include "base/runtime/sync.h"
#include "gateway/catalog/catalog.h"

namespace hydra::heal {

class LeaseKeeper {
 public:
  LeaseKeeper(Loop& loop, catalog::Catalog& catalog, std::string name, Nanos ttl);

  // Takes the lease, or prolongs it once a third of its time has gone. To be called again and
  // again.
  Task<void> refresh();
  // Gives it back if it is held.
  Task<void> release();
  // Ends some time before the lease does, so that what is begun then is not yet another's.
  bool held() const { return loop_.now() < until_ - ttl_ / 6; }
  // As far as is known; empty: nobody.
  const std::string& holder() const { return holder_; }

 private:
  Loop& loop_;
  catalog::Catalog& catalog_;
  std::string name_;
  std::string self_;  // this process
  std::string holder_;
  Nanos ttl_;
  Nanos until_ = 0;
};

}  // namespace hydra::heal
