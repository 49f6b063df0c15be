// Where bytes come from and go to, seen by the pipeline in the middle: a request's body, an
// aws-chunked decoder, a stored object being copied; a response.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/runtime/task.h"

namespace hydra {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills all of `into`, fewer bytes only at the end of the source (0 when there were no more). An
  // error is final, and what was read so far must then not become visible. A source that checks its
  // content (length, signature, checksum) reports the failure no later than by the read that meets
  // the end: a reader must therefore read until a short count.
  virtual Task<Result<std::size_t>> read(MutableBytes into) = 0;
};

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // The view must stay valid until it returns.
  virtual Task<Status> write(ByteView bytes) = 0;
};

}  // namespace hydra
