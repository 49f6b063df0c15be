#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <exception>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "base/assert.h"
#include "base/config/tree.h"

namespace hydra::config {
namespace {

// Builds the tree from the parser's events. Aliases are refused: they could make a small file a
// huge tree.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(Tree& tree) : tree_(tree) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    add(node_at(Node::Kind::kNull, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    tree_.problems.push_back({mark.line + 1, "aliases are not supported"});
    add(node_at(Node::Kind::kNull, mark));
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    Node node = node_at(Node::Kind::kScalar, mark);
    node.scalar = value;
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open_.push_back({node_at(Node::Kind::kList, mark), {}, {}});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open_.push_back({node_at(Node::Kind::kMap, mark), {}, {}});
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or map that is not yet at its end, and the key (in a map) that waits for its value.
  struct Open {
    Node node;
    std::vector<Node> key;                       // none or one
    std::unordered_map<std::string, int> lines;  // of the keys so far
  };

  static Node node_at(Node::Kind kind, const YAML::Mark& mark) {
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }

  void close() {
    HYDRA_ASSERT(!open_.empty());
    Node node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  void add(Node node) {
    if (open_.empty()) {
      tree_.root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.key.empty()) {
      parent.key.push_back(std::move(node));
    } else {
      add_pair(parent, std::move(node));
    }
  }

  void add_pair(Open& parent, Node value) {
    Node key = std::move(parent.key.back());
    parent.key.clear();
    if (key.kind != Node::Kind::kScalar || key.scalar.empty()) {
      tree_.problems.push_back({key.line, "a key must be a word"});
      return;
    }
    auto [first, added] = parent.lines.emplace(key.scalar, key.line);
    if (!added) {
      tree_.problems.push_back({key.line, "key \"" + key.scalar + "\" stands already in line " +
                                              std::to_string(first->second)});
      return;
    }
    value.key = std::move(key.scalar);
    value.line = key.line;
    parent.node.items.push_back(std::move(value));
  }

  Tree& tree_;
  std::vector<Open> open_;
};

void parse_into(Tree& tree, std::string_view text) {
  std::istringstream stream{std::string(text)};
  YAML::Parser parser(stream);
  Builder builder(tree);
  if (!parser.HandleNextDocument(builder)) return;
  Tree second;
  Builder ignored(second);
  if (parser.HandleNextDocument(ignored))
    tree.problems.push_back({second.root.line, "a second document; only one is read"});
}

}  // namespace

Tree parse_yaml(std::string_view text) {
  Tree tree;
  Problem problem;
  if (text.size() > kMaxFileBytes) {
    problem.message = "larger than 1 MiB";
  } else {
    try {
      parse_into(tree, text);
      if (tree.root.kind == Node::Kind::kMap || tree.root.kind == Node::Kind::kNull) return tree;
      problem = {tree.root.line, "must be a map of sections"};
    } catch (const YAML::Exception& error) {
      problem = {error.mark.is_null() ? 0 : error.mark.line + 1, "not valid YAML: " + error.msg};
    } catch (const std::exception& error) {
      problem.message = std::string("not valid YAML: ") + error.what();
    }
  }
  Tree unreadable;
  unreadable.readable = false;
  unreadable.problems.push_back(std::move(problem));
  return unreadable;
}

}  // namespace hydra::config
