#include "gateway/object/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace hydra::object {

namespace {

tl::unexpected<Error> refused(const std::string& path) {
  return fail(Code::kIo, path + ": " + std::strerror(errno));
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return refused(path);
  return text.str();
}

Result<std::string> read_private_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return refused(path);
  if ((info.st_mode & 077) != 0)
    return fail(Code::kInvalidArgument,
                path + ": others can read the key file; make it private with chmod 600");
  return read_file(path);
}

Status write_private_file(const std::string& path, std::string_view text) {
  const auto slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) return refused(parent);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return refused(path);
  const bool ok = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                  ::fsync(fd) == 0;
  ::close(fd);
  if (!ok) return refused(path);
  const int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
  return {};
}

}  // namespace hydra::object
