#include "base/config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "base/config/tree.h"
#include "base/config/value.h"

extern char** environ;

namespace hydra::config {
namespace {

constexpr std::string_view kPrefix = "HYDRA_";

std::string variable_of(std::string_view path) {
  std::string out(kPrefix);
  for (unsigned char c : path)
    out.push_back(c == '.' || c == '-' ? '_' : static_cast<char>(std::toupper(c)));
  return out;
}

// "devices[3].path" -> "devices[].path": all items of a list have the same keys.
std::string without_numbers(std::string_view path) {
  std::string out;
  bool inside = false;
  for (char c : path) {
    if (c == ']') inside = false;
    if (!inside) out.push_back(c);
    if (c == '[') inside = true;
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

bool is_near(std::size_t distance, std::string_view a, std::string_view b) {
  return distance <= std::max<std::size_t>(1, (std::max(a.size(), b.size()) + 1) / 3);
}

// The word most like `word`, or empty when none is near.
std::string nearest(std::string_view word, const std::set<std::string>& words) {
  constexpr std::size_t kMaxWordBytes = 100;
  if (word.size() > kMaxWordBytes) return {};
  std::string best;
  std::size_t least = SIZE_MAX;
  for (const std::string& other : words) {
    std::size_t distance = edit_distance(word, other);
    if (distance < least && is_near(distance, word, other)) {
      least = distance;
      best = other;
    }
  }
  return best;
}

// What may be shown of a wrong value.
std::string shown(std::string_view value) {
  constexpr std::size_t kMaxShownBytes = 60;
  std::string out = "\"";
  for (unsigned char c : value.substr(0, kMaxShownBytes))
    out.push_back(std::iscntrl(c) || c == '"' ? '?' : static_cast<char>(c));
  return out + (value.size() > kMaxShownBytes ? "...\"" : "\"");
}

const char* kind_name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    default:
      return "a value";
  }
}

}  // namespace

struct State {
  std::string name;
  std::filesystem::path directory;
  Variables variables;
  Tree tree;
  std::set<std::string> asked;            // paths without numbers
  std::set<std::string> known_variables;  // asked for or allowed
  std::vector<Problem> mistakes;          // whole lines of the report

  void note(int line, std::string_view path, std::string_view message) {
    std::string where = line > 0 ? fmt::format("{}:{}", name, line) : name;
    std::string what = path.empty() ? std::string(message) : fmt::format("{}: {}", path, message);
    mistakes.push_back({line, where + ": " + what});
  }
  void note_unknown(const Node& map, const std::string& path);
  void note_unknown_variables();
  std::string suggestion(const std::string& parent, std::string_view key) const;
};

std::string State::suggestion(const std::string& parent, std::string_view key) const {
  std::string prefix = without_numbers(parent);
  std::set<std::string> siblings;
  for (const std::string& path : asked) {
    if (!path.starts_with(prefix)) continue;
    std::string rest = path.substr(prefix.size());
    siblings.insert(rest.substr(0, rest.find_first_of(".[")));
  }
  std::string best = nearest(key, siblings);
  if (!best.empty()) return best;
  for (const std::string& path : asked) {
    auto dot = path.rfind('.');
    if (dot != std::string::npos && path.substr(dot + 1) == key) return path;
  }
  return {};
}

void State::note_unknown(const Node& map, const std::string& path) {
  for (const Node& item : map.items) {
    std::string item_path = path + item.key;
    if (!item.used) {
      std::string better = suggestion(path, item.key);
      note(item.line, item_path,
           better.empty() ? "unknown key" : "unknown key; did you mean " + better + "?");
      continue;
    }
    if (item.reported) continue;
    if (item.kind == Node::Kind::kMap) note_unknown(item, item_path + ".");
    if (item.kind != Node::Kind::kList) continue;
    for (std::size_t i = 0; i < item.items.size(); ++i)
      if (item.items[i].kind == Node::Kind::kMap && !item.items[i].reported)
        note_unknown(item.items[i], fmt::format("{}[{}].", item_path, i));
  }
}

void State::note_unknown_variables() {
  std::set<std::string> names;  // without the prefix, in which all are alike
  for (const std::string& variable : known_variables) names.insert(variable.substr(kPrefix.size()));
  for (const auto& [variable, value] : variables) {
    if (!variable.starts_with(kPrefix) || known_variables.contains(variable)) continue;
    std::string better = nearest(variable.substr(kPrefix.size()), names);
    if (!better.empty()) better = "; did you mean " + std::string(kPrefix) + better + "?";
    mistakes.push_back({0, variable + ": overrides no key" + better});
  }
}

Variables process_environment() {
  Variables out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text(*entry);
    auto equals = text.find('=');
    if (text.starts_with(kPrefix) && equals != std::string_view::npos)
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

// What was found for a key: a node of the file, or an override.
struct Section::Value {
  std::string path;
  Node* node = nullptr;  // null: absent
  std::optional<std::string> override_text;
  bool usable = false;  // there is a value of the kind that was wanted

  std::string_view text() const { return override_text ? *override_text : node->scalar; }
};

Section::Value Section::find(std::string_view key, bool from_environment) {
  Value value;
  value.path = path_ + std::string(key);
  Node* node = node_;
  std::string_view rest = key;
  std::string walked = path_;
  while (node != nullptr) {
    if (node->kind != Node::Kind::kMap) {
      if (node->kind != Node::Kind::kNull && !std::exchange(node->reported, true)) {
        if (walked.ends_with('.')) walked.pop_back();
        state_->note(node->line, walked,
                     fmt::format("must be a map, not {}", kind_name(node->kind)));
      }
      node = nullptr;
      break;
    }
    std::string_view name = rest.substr(0, rest.find('.'));
    auto item = std::find_if(node->items.begin(), node->items.end(),
                             [&](const Node& candidate) { return candidate.key == name; });
    node = item == node->items.end() ? nullptr : &*item;
    if (node != nullptr) node->used = true;
    if (name.size() == rest.size()) break;
    walked += std::string(name) + ".";
    rest.remove_prefix(name.size() + 1);
  }
  if (node != nullptr && node->kind != Node::Kind::kNull) value.node = node;
  if (!from_environment || path_.find('[') != std::string::npos) return value;
  std::string variable = variable_of(value.path);
  state_->known_variables.insert(variable);
  auto found = state_->variables.find(variable);
  if (found != state_->variables.end() && !found->second.empty())
    value.override_text = found->second;
  return value;
}

Section::Value Section::find_scalar(std::string_view key, std::string_view wanted) {
  Value value = find(key, true);
  state_->asked.insert(without_numbers(value.path));
  value.usable = value.override_text.has_value();
  if (value.node == nullptr) return value;
  if (value.usable) {
    value.node->reported = true;  // what the file says is of no interest
    return value;
  }
  if (value.node->kind == Node::Kind::kScalar) {
    value.usable = true;
  } else {
    value.node->reported = true;
    state_->note(value.node->line, value.path,
                 fmt::format("must be {}, not {}", wanted, kind_name(value.node->kind)));
  }
  return value;
}

// `message` says what the value is not; it comes after the place of the value that is in force.
void Section::refuse(const Value& value, std::string_view message) {
  if (value.override_text) {
    state_->mistakes.push_back(
        {0, fmt::format("{}: {}: {}", variable_of(value.path), value.path, message)});
  } else {
    state_->note(value.node != nullptr ? value.node->line : 0, value.path, message);
  }
}

template <typename T, typename Parse, typename Format>
T Section::ranged(std::string_view key, T fallback, T min, T max, std::string_view wanted,
                  Parse parse, Format format) {
  Value value = find_scalar(key, wanted);
  if (!value.usable) return fallback;
  std::string_view text = trimmed(value.text());
  std::optional<T> parsed = parse(text);
  if (!parsed) {
    refuse(value, fmt::format("{} is not {}", shown(text), wanted));
    return fallback;
  }
  if (*parsed < min || *parsed > max) {
    refuse(value, fmt::format("{} is not in the range {} to {}", text, format(min), format(max)));
    return fallback;
  }
  return *parsed;
}

std::string Section::text(std::string_view key, std::string_view fallback) {
  Value value = find_scalar(key, "text");
  return std::string(value.usable ? value.text() : fallback);
}

bool Section::flag(std::string_view key, bool fallback) {
  Value value = find_scalar(key, "true or false");
  if (!value.usable) return fallback;
  std::string word;
  for (unsigned char c : trimmed(value.text())) word.push_back(static_cast<char>(std::tolower(c)));
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  refuse(value, shown(value.text()) + " is not true or false");
  return fallback;
}

namespace {
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}
}  // namespace

std::int64_t Section::integer(std::string_view key, std::int64_t fallback, std::int64_t min,
                              std::int64_t max) {
  return ranged(key, fallback, min, max, "a whole number", parse_number<std::int64_t>,
                [](std::int64_t number) { return std::to_string(number); });
}

double Section::real(std::string_view key, double fallback, double min, double max) {
  auto parse = [](std::string_view text) -> std::optional<double> {
    auto number = parse_number<double>(text);
    if (number && *number != *number) return std::nullopt;  // NaN is in no range
    return number;
  };
  return ranged(key, fallback, min, max, "a number", parse,
                [](double number) { return fmt::format("{}", number); });
}

std::uint64_t Section::size(std::string_view key, std::uint64_t fallback, std::uint64_t min,
                            std::uint64_t max) {
  return ranged(key, fallback, min, max, "a size (such as 64MiB)", parse_size, format_size);
}

std::int64_t Section::duration(std::string_view key, std::int64_t fallback, std::int64_t min,
                               std::int64_t max) {
  return ranged(key, fallback, min, max, "a duration (such as 150ms or 3s)", parse_duration,
                format_duration);
}

namespace {
constexpr std::string_view kAddressWanted = "an address (HOST:PORT or unix:/path)";
}

std::string Section::address(std::string_view key, std::string_view fallback) {
  Value value = find_scalar(key, kAddressWanted);
  if (!value.usable) return std::string(fallback);
  std::string_view text = trimmed(value.text());
  if (is_address(text)) return std::string(text);
  refuse(value, fmt::format("{} is not {}", shown(text), kAddressWanted));
  return std::string(fallback);
}

std::string Section::path(std::string_view key, std::string_view fallback) {
  Value value = find_scalar(key, "a path");
  std::string text(value.usable ? trimmed(value.text()) : fallback);
  if (text.empty()) return text;
  if (text.find('\0') != std::string::npos) {
    refuse(value, shown(text) + " is not a path");
    return std::string(fallback);
  }
  return (state_->directory / text).lexically_normal().string();
}

std::string Section::choice(std::string_view key, std::string_view fallback,
                            std::initializer_list<std::string_view> allowed) {
  std::string wanted = fmt::format("one of {}", fmt::join(allowed, ", "));
  Value value = find_scalar(key, wanted);
  if (!value.usable) return std::string(fallback);
  std::string_view text = trimmed(value.text());
  if (std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return std::string(text);
  std::string better = nearest(text, std::set<std::string>(allowed.begin(), allowed.end()));
  refuse(value, fmt::format("{} is not {}{}", shown(text), wanted,
                            better.empty() ? "" : "; did you mean " + better + "?"));
  return std::string(fallback);
}

std::vector<std::string> Section::texts(std::string_view key, std::vector<std::string> fallback) {
  Value value = find(key, true);
  state_->asked.insert(without_numbers(value.path));
  std::vector<std::string> out;
  if (value.override_text) {
    std::string_view rest = *value.override_text;
    for (;;) {
      auto comma = rest.find(',');
      if (auto word = trimmed(rest.substr(0, comma)); !word.empty()) out.emplace_back(word);
      if (comma == std::string_view::npos) return out;
      rest.remove_prefix(comma + 1);
    }
  }
  if (value.node == nullptr) return fallback;
  if (value.node->kind == Node::Kind::kScalar) return {value.node->scalar};
  if (value.node->kind == Node::Kind::kMap) {
    value.node->reported = true;
    refuse(value, "must be a list, not a map");
    return fallback;
  }
  for (Node& item : value.node->items) {
    if (item.kind == Node::Kind::kScalar) {
      out.push_back(item.scalar);
    } else {
      item.reported = true;
      state_->note(item.line, value.path, "must be a list of plain values");
    }
  }
  return out;
}

std::vector<std::string> Section::addresses(std::string_view key,
                                            std::vector<std::string> fallback) {
  std::vector<std::string> out = texts(key, fallback);
  Value value = find(key, true);
  for (const std::string& text : out) {
    if (is_address(text)) continue;
    refuse(value, fmt::format("{} is not {}", shown(text), kAddressWanted));
    return fallback;
  }
  return out;
}

std::vector<Section> Section::list(std::string_view key) {
  Value value = find(key, false);
  state_->asked.insert(without_numbers(value.path));
  std::vector<Section> out;
  if (value.node == nullptr) return out;
  if (value.node->kind != Node::Kind::kList) {
    value.node->reported = true;
    refuse(value, fmt::format("must be a list, not {}", kind_name(value.node->kind)));
    return out;
  }
  for (std::size_t i = 0; i < value.node->items.size(); ++i) {
    Node& item = value.node->items[i];
    std::string path = fmt::format("{}[{}]", value.path, i);
    if (item.kind == Node::Kind::kMap) {
      out.push_back(Section(state_, &item, path + "."));
    } else {
      item.reported = true;
      state_->note(item.line, path, fmt::format("must be a map, not {}", kind_name(item.kind)));
    }
  }
  return out;
}

Section Section::section(std::string_view key) {
  Value value = find(key, false);
  return Section(state_, value.node, value.path + ".");
}

bool Section::has(std::string_view key) {
  Value value = find(key, true);
  state_->asked.insert(without_numbers(value.path));
  return value.override_text.has_value() || value.node != nullptr;
}

void Section::require(std::string_view key) {
  if (!has(key)) mistake(key, "is required");
}

void Section::mistake(std::string_view key, std::string_view message) {
  refuse(find(key, true), message);
}

Reader::Reader(std::unique_ptr<State> state)
    : Section(state.get(), &state->tree.root, {}), owned_(std::move(state)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader::~Reader() = default;

Reader Reader::from_text(const std::string& name, std::string_view text, Variables variables) {
  auto state = std::make_unique<State>();
  state->name = name;
  std::error_code ignored;
  state->directory = std::filesystem::absolute(name, ignored).parent_path();
  state->variables = std::move(variables);
  state->tree = parse_yaml(text);
  return Reader(std::move(state));
}

Reader Reader::from_file(const std::string& path, Variables variables) {
  std::string text;
  std::error_code error;
  std::ifstream file(path, std::ios::binary);
  if (!std::filesystem::is_regular_file(path, error) || !file) {
    if (!error) error = std::make_error_code(std::errc::io_error);
  } else {
    text.resize(kMaxFileBytes + 1);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  Reader reader = from_text(path, text, std::move(variables));
  if (error) {
    reader.state_->tree.readable = false;
    reader.state_->tree.problems = {{0, "cannot be read: " + error.message()}};
  }
  return reader;
}

void Reader::allow_variable(const std::string& name) {
  HYDRA_ASSERT(name.starts_with(kPrefix));
  state_->known_variables.insert(name);
}

Status Reader::finish() {
  State& state = *state_;
  if (!state.tree.readable) state.mistakes.clear();  // the rest would only be consequences
  for (const Problem& problem : state.tree.problems) state.note(problem.line, {}, problem.message);
  state.tree.problems.clear();
  if (state.tree.readable) {
    state.note_unknown(state.tree.root, {});
    state.note_unknown_variables();
  }
  if (state.mistakes.empty()) return {};
  std::stable_sort(state.mistakes.begin(), state.mistakes.end(),
                   [](const Problem& a, const Problem& b) {
                     return (a.line > 0 ? a.line : INT32_MAX) < (b.line > 0 ? b.line : INT32_MAX);
                   });
  std::string report;
  for (const Problem& mistake : state.mistakes)
    report += (report.empty() ? "" : "\n") + mistake.message;
  return fail(Code::kInvalidArgument, std::move(report));
}

}  // namespace hydra::config
