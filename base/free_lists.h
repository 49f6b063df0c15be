// FreeLists: blocks of memory that one thread keeps to use them again, in lists by size class. For
// what is made and destroyed with every request, which the general allocator serves more slowly,
// aligned blocks above all. Larger blocks go to it directly, as all do under AddressSanitizer,
// which sees a use after free only where memory is really freed.
//
// A block may be released by another thread than the one that allocated it. Each FreeLists belongs
// to one thread: make it thread_local.
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <utility>

namespace hydra {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kRecycleMemory = false;
#elif defined(__has_feature)
constexpr bool kRecycleMemory = !__has_feature(address_sanitizer);
#else
constexpr bool kRecycleMemory = true;
#endif

// Classes of kClassBytes, 2 * kClassBytes, ... below kClasses * kClassBytes; kKept blocks of each.
template <std::size_t kClassBytes, std::size_t kClasses, std::size_t kKept, std::size_t kAlignment>
class FreeLists {
 public:
  FreeLists() = default;
  FreeLists(const FreeLists&) = delete;
  FreeLists& operator=(const FreeLists&) = delete;
  ~FreeLists() {
    for (Free* item : head_)
      while (item != nullptr) ::operator delete(std::exchange(item, item->next), kAligned);
  }

  void* allocate(std::size_t bytes) {
    const std::size_t size_class = class_of(bytes);
    if (!kRecycleMemory || size_class >= kClasses) return ::operator new(bytes, kAligned);
    if (Free* const free = head_[size_class]) {
      head_[size_class] = free->next;
      --count_[size_class];
      return free;
    }
    return ::operator new(size_class* kClassBytes, kAligned);
  }

  // `bytes` as they were allocated.
  void release(void* block, std::size_t bytes) {
    const std::size_t size_class = class_of(bytes);
    if (!kRecycleMemory || size_class >= kClasses || count_[size_class] >= kKept) {
      ::operator delete(block, kAligned);
      return;
    }
    auto* const free = static_cast<Free*>(block);
    free->next = head_[size_class];
    head_[size_class] = free;
    ++count_[size_class];
  }

 private:
  struct Free {
    Free* next;
  };
  static_assert(kClassBytes >= sizeof(Free));
  static constexpr std::align_val_t kAligned{kAlignment};
  static constexpr std::size_t class_of(std::size_t bytes) {
    return (bytes + kClassBytes - 1) / kClassBytes;
  }

  std::array<Free*, kClasses> head_{};
  std::array<std::size_t, kClasses> count_{};
};

}  // namespace hydra
