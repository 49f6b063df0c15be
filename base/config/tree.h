// A configuration file as a tree that remembers lines. yaml_tree.cc makes it, and alone includes
// yaml-cpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hydra::config {

constexpr std::size_t kMaxFileBytes = 1u << 20;

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 0;             // from 1; 0: from nowhere
  std::string key;          // within its map
  std::string scalar;       // kScalar
  std::vector<Node> items;  // kList; kMap in the order of the file, keys unique

  // Kept by the reader.
  bool used = false;      // asked for
  bool reported = false;  // refused or overridden: what is inside does not matter
};

struct Problem {
  int line = 0;
  std::string message;
};

struct Tree {
  Node root;
  std::vector<Problem> problems;  // doubled keys, aliases; the tree is whole but for these
  bool readable = true;  // false: not YAML, the tree is empty and the last problem says why
};

Tree parse_yaml(std::string_view text);

}  // namespace hydra::config
