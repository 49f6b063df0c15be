// Arbitrary bytes as a log: nothing may crash, loop, or point outside the log; what decodes must
// encode to itself.
#include <cstdlib>

#include "base/crc32c.h"
#include "base/endian.h"
#include "nodeagent/store/index_format.h"
#include "nodeagent/store/log_walker.h"

namespace hydra::agent {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// Makes the input's headers valid where it asks for it, so that the fuzzer gets past the checksums.
std::string mend(ByteView data, NodeIdentity node) {
  std::string log(as_text(data));
  for (std::size_t at = kFirstRecord; at + kRecordHeaderBytes <= log.size();
       at += kRecordAlignment) {
    char* header = log.data() + at;
    if (header[0] != 'H' || header[1] != 'R') continue;
    store_le<std::uint32_t>(header, kRecordMagic);
    store_le<std::uint16_t>(header + 4, kLogVersion);
    std::memcpy(header + 24, node.bytes.data(), 16);
    store_le<std::uint64_t>(header + 40, 1);
    store_le<std::uint64_t>(header + 48, at);
    store_le<std::uint32_t>(header + 124, crc32c(as_bytes(log).subspan(at, 124)));
  }
  return log;
}

void walk(const std::string& log, NodeIdentity node, std::uint64_t window) {
  LogWalker walker(node, 1, 0, log.size());
  std::uint64_t offset = 0, length = 0, last = 0;
  for (std::size_t steps = 0;; ++steps) {
    require(steps <= 4 * log.size() + 16);
    const auto step = walker.step(offset, as_bytes(log).subspan(offset, length));
    if (const auto* need = std::get_if<LogWalker::Need>(&step)) {
      require(need->offset <= log.size() && need->length <= log.size() - need->offset);
      offset = need->offset;
      length = std::min<std::uint64_t>(std::max(need->length, window), log.size() - offset);
    } else if (const auto* shard = std::get_if<LogWalker::Shard>(&step)) {
      require(shard->header.offset >= last && shard->header.end() <= log.size());
      last = shard->header.end();
      const RecordHeaderBytes again = encode_record_header(shard->header);
      require(decode_record_header(again).has_value());
      if (shard->trailer)
        require(shard->trailer->block_crcs.size() == shard->header.layout.stripes());
    } else if (std::get_if<LogWalker::End>(&step) != nullptr) {
      return;
    }
  }
}

}  // namespace
}  // namespace hydra::agent

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hydra;
  using namespace hydra::agent;
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  NodeIdentity node;
  node.bytes[0] = std::byte{1};
  // The first page of a log is its header: the input is what comes after.
  std::string log(kFirstRecord, '\0');
  append(log, bytes);
  walk(log, node, 64);
  walk(mend(as_bytes(log), node), node, 4096);
  (void)decode_log_header(bytes);
  if (const auto entry = decode_index_entry(bytes))
    require(as_bytes(encode_index_entry(*entry)).size() == size);
  (void)decode_log_state(1, bytes);
  (void)decode_index_meta(bytes);
  return 0;
}
