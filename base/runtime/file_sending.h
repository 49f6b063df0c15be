// Sending bytes of a file over a stream without their passing through this process: the kernel
// hands the pages of its cache to the socket. Files and streams that can do so offer the interfaces
// below beside their own; a stream that encrypts cannot. Where either of them is missing, bytes are
// read and written.
//
// Everything belongs to the loop of file and stream, which come from the same runtime.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/runtime/io.h"

namespace hydra {

class SendableFile {
 public:
  // Whether these bytes can be had without waiting for the device. What is not in memory would stop
  // the loop for as long as the device takes.
  virtual bool in_memory(std::uint64_t offset, std::uint64_t length) const = 0;

 protected:
  ~SendableFile() = default;
};

// Bytes of a file, which nobody changes while `keep` is held.
struct FileRun {
  std::shared_ptr<const void> keep;
  const SendableFile* file = nullptr;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class FileSender {
 public:
  // Sends the bytes as Stream::write would; `run` must stay valid until it returns. kIo when the
  // file ends before; what was sent till then cannot be taken back.
  virtual Task<Status> send(const FileRun& run, Deadline deadline) = 0;

 protected:
  ~FileSender() = default;
};

}  // namespace hydra
