// XML out (a string appender, fast enough for LIST) and in (pugixml behind limits). pugixml is
// included in xml.cc only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hydra::s3 {

class XmlWriter {
 public:
  explicit XmlWriter(std::string& out) : out_(out) {}
  void declaration() { out_ += "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"; }
  // The outermost element, with S3's namespace.
  void open_root(std::string_view name) {
    out_ += '<';
    out_ += name;
    out_ += " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  }
  void open(std::string_view name) {
    out_ += '<';
    out_ += name;
    out_ += '>';
  }
  void close(std::string_view name) {
    out_ += "</";
    out_ += name;
    out_ += '>';
  }
  void element(std::string_view name, std::string_view text) {
    open(name);
    escaped(text);
    close(name);
  }
  void element(std::string_view name, std::uint64_t number) {
    element(name, std::to_string(number));
  }
  void element(std::string_view name, bool flag) {
    element(name, std::string_view(flag ? "true" : "false"));
  }
  void element(std::string_view name, const char* text) { element(name, std::string_view(text)); }
  void element(std::string_view name, const std::string& text) {
    element(name, std::string_view(text));
  }
  void escaped(std::string_view text);
  void raw(std::string_view xml) { out_ += xml; }  // that was written already

 private:
  std::string& out_;
};

// One element of a parsed document: name without prefix, its text, its children.
struct XmlElement {
  std::string name;
  std::string text;
  std::vector<XmlElement> children;

  const XmlElement* child(std::string_view name) const;
  // The child's text, or `otherwise` when there is none.
  std::string_view child_text(std::string_view name, std::string_view otherwise = {}) const;
};

struct XmlLimits {
  std::size_t bytes = 8u << 20;
  int depth = 16;
  std::size_t elements = 100'000;
};

// kMalformedXml: not well formed, a DTD or entity declaration, or over a limit. Returns the root
// element.
Result<XmlElement> parse_xml(std::string_view text, const XmlLimits& limits = {});

}  // namespace hydra::s3
