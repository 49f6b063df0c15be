// Hostile bytes for every decoder of the journal.
#include <cstddef>
#include <cstdint>

#include "gateway/journal/journal_format.h"
#include "gateway/journal/sealer.h"
#include "gateway/journal/snapshot_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hydra;
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  (void)journal::decode_header(bytes);
  (void)journal::decode_commit(bytes);
  (void)journal::decode_root(bytes);
  (void)journal::decode_journal_row(bytes);
  journal::Keys keys;
  keys.newest = 1;
  keys.keys[1] = {};
  (void)journal::Sealer(keys).open(bytes);
  journal::SnapshotDecoder decoder;
  const std::size_t cut = size / 2;
  const auto visit = [](ByteView, ByteView) { return Status(); };
  if (decoder.feed(bytes.first(cut), visit)) (void)decoder.feed(bytes.subspan(cut), visit);
  // What decodes comes out the same when it is encoded again.
  if (const auto root = journal::decode_root(bytes))
    if (encode(*root) != as_text(bytes)) __builtin_trap();
  if (const auto commit = journal::decode_commit(bytes))
    if (journal::encode_commit(commit->cluster, commit->made_ms, commit->batch) != as_text(bytes))
      __builtin_trap();
  return 0;
}
