#include "gateway/s3/xml.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/encoding.h"
#include "gateway/s3/error_table.h"

namespace hydra::s3 {
namespace {

TEST(Xml, ReadsElementsWithAndWithoutNamespace) {
  const auto root = parse_xml(
      "<?xml version=\"1.0\"?><x:Delete xmlns:x=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<x:Object><x:Key>a &amp; b</x:Key></x:Object><Quiet>true</Quiet></x:Delete>");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->name, "Delete");
  EXPECT_EQ(root->child_text("Quiet"), "true");
  EXPECT_EQ(root->child("Object")->child_text("Key"), "a & b");
}

TEST(Xml, BombsAndBrokenDocumentsAreMalformed) {
  std::string deep, wide = "<a>";
  for (int i = 0; i < 1000; ++i) deep += "<a>";
  for (int i = 0; i < 1000; ++i) deep += "</a>";
  for (int i = 0; i < 200'000; ++i) wide += "<b/>";
  wide += "</a>";
  for (const std::string& bad :
       {std::string(), std::string("text"), std::string("<a>"), std::string("<a></b>"),
        std::string("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"), std::string("<a>\xff</a>"),
        std::string(8u << 20, '<'), deep, wide}) {
    const auto parsed = parse_xml(bad);
    ASSERT_FALSE(parsed) << bad.substr(0, 40);
    EXPECT_EQ(parsed.error().code, Code::kMalformedXml);
  }
  std::string half_closed;
  for (int i = 0; i < 2'000'000; ++i) half_closed += "</";
  EXPECT_FALSE(parse_xml(half_closed));
}

RC_GTEST_PROP(Xml, WhatIsWrittenIsReadBack, ()) {
  // Text that XML 1.0 can carry: no control characters, and not only white space.
  const auto text = "x" + *rc::gen::container<std::string>(rc::gen::inRange<char>(0x20, 0x7f));
  std::string document;
  XmlWriter xml(document);
  xml.declaration();
  xml.open_root("Root");
  xml.element("Key", text);
  xml.close("Root");
  const auto root = parse_xml(document);
  RC_ASSERT(root.has_value());
  RC_ASSERT(root->child_text("Key") == text);
}

TEST(ErrorTable, EveryS3CodeHasARowOfItsOwn) {
  for (int code = static_cast<int>(Code::kAccessDenied);
       code <= static_cast<int>(Code::kInsufficientStorage); ++code)
    EXPECT_EQ(error_row(static_cast<Code>(code)).code, static_cast<Code>(code))
        << code_name(static_cast<Code>(code));
}

TEST(ErrorTable, InnerTroubleIsNotToldToClients) {
  const std::string body = render_error({Code::kInternal, "row 7 of /srv/catalog"}, "/b/k", "ID");
  EXPECT_EQ(body.find("catalog"), std::string::npos);
  EXPECT_NE(body.find("<Code>InternalError</Code>"), std::string::npos);
  const std::string unknown = render_error({Code::kCorrupt, "segment 3"}, "/b/k", "ID");
  EXPECT_NE(unknown.find("<Code>InternalError</Code>"), std::string::npos);
  EXPECT_EQ(unknown.find("segment"), std::string::npos);
  const std::string key = render_error({Code::kNoSuchKey, ""}, "/b/<k>", "ID");
  EXPECT_NE(key.find("<Resource>/b/&lt;k&gt;</Resource>"), std::string::npos);
}

}  // namespace
}  // namespace hydra::s3
