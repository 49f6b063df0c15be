#include "gateway/s3/xml.h"

#include <pugixml.hpp>

#include "base/encoding.h"

namespace hydra::s3 {

void XmlWriter::escaped(std::string_view text) {
  std::size_t plain = 0;  // start of the run that needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'') continue;
    out_.append(text.substr(plain, i - plain));
    plain = i + 1;
    switch (c) {
      case '&':
        out_ += "&amp;";
        break;
      case '<':
        out_ += "&lt;";
        break;
      case '>':
        out_ += "&gt;";
        break;
      case '"':
        out_ += "&quot;";
        break;
      case '\'':
        out_ += "&#39;";
        break;
      default:
        out_ += "&#" + std::to_string(c) + ';';
    }
  }
  out_.append(text.substr(plain));
}

const XmlElement* XmlElement::child(std::string_view wanted) const {
  for (const auto& element : children)
    if (element.name == wanted) return &element;
  return nullptr;
}

std::string_view XmlElement::child_text(std::string_view wanted, std::string_view otherwise) const {
  const XmlElement* element = child(wanted);
  return element == nullptr ? otherwise : std::string_view(element->text);
}

namespace {

std::string_view without_prefix(std::string_view name) {
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

Status convert(const pugi::xml_node& node, XmlElement& out, int depth, std::size_t& budget) {
  if (depth == 0 || budget == 0) return fail(Code::kMalformedXml);
  --budget;
  out.name = without_prefix(node.name());
  for (const auto& child : node.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      out.text += child.value();
    } else if (child.type() == pugi::node_element) {
      out.children.emplace_back();
      HYDRA_CHECK_OK(convert(child, out.children.back(), depth - 1, budget));
    }
  }
  return {};
}

// pugixml parses by recursion over its own tree without depth limits of ours, so the nesting is
// bounded before it.
bool nests_deeper_than(std::string_view text, int limit) {
  int depth = 0;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '<') continue;
    if (text[i + 1] == '/')
      --depth;
    else if (text[i + 1] != '?' && text[i + 1] != '!')
      ++depth;
    if (depth > limit) return true;
    const auto end = text.find('>', i);
    if (end == std::string_view::npos) return false;  // not well formed; the parser says so
    if (text[end - 1] == '/' && text[i + 1] != '/' && text[i + 1] != '?') --depth;  // empty element
    i = end;
  }
  return false;
}

}  // namespace

Result<XmlElement> parse_xml(std::string_view text, const XmlLimits& limits) {
  if (text.size() > limits.bytes || text.find("<!DOCTYPE") != std::string_view::npos ||
      text.find("<!ENTITY") != std::string_view::npos || !is_valid_utf8(text) ||
      nests_deeper_than(text, limits.depth))
    return fail(Code::kMalformedXml);
  pugi::xml_document document;
  constexpr unsigned kFlags = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol |
                              pugi::parse_ws_pcdata_single | pugi::parse_doctype;
  const auto parsed = document.load_buffer(text.data(), text.size(), kFlags, pugi::encoding_utf8);
  if (!parsed || document.document_element().empty()) return fail(Code::kMalformedXml);
  for (const auto& node : document.children())
    if (node.type() == pugi::node_doctype) return fail(Code::kMalformedXml);
  XmlElement root;
  std::size_t budget = limits.elements;
  HYDRA_CHECK_OK(convert(document.document_element(), root, limits.depth + 1, budget));
  return root;
}

}  // namespace hydra::s3
