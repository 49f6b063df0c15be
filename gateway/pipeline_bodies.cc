#include "gateway/pipeline_bodies.h"

namespace hydra {

Task<Status> PipelineBodies::store(ByteSource& source, std::uint64_t length, Commit commit) {
  HYDRA_CO_TRY(object::StoredBody body, co_await store_.receive(source, length));
  for (auto& extent : body.data.extents) {
    if (extent.missing != 0)
      co_return fail(Code::kUnavailable, "a node failed while the snapshot was written");
    // The root names the extents as they are written, so they are never to be re-encoded.
    extent.wanted = extent.profile;
  }
  const Status status = co_await commit(body.data, body.slices.front());
  const bool perhaps =
      !status && (status.error().code == Code::kIo || status.error().code == Code::kInternal);
  if (status || perhaps) body.release();
  co_return status;
}

}  // namespace hydra
