#include "base/encoding.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hydra {
namespace {

RC_GTEST_PROP(Encoding, EveryByteStringSurvivesEachEncoding, (const std::string& raw)) {
  RC_ASSERT(hex_decode(hex_encode(raw)) == raw);
  RC_ASSERT(base64_decode(base64_encode(raw)) == raw);
  RC_ASSERT(percent_decode(percent_encode(raw)) == raw);
  RC_ASSERT(percent_decode(percent_encode(raw, true)) == raw);
}

// Texts of few bytes, so that escapes of all kinds come together.
RC_GTEST_PROP(Encoding, ATextIsPercentEncodedWhenEncodingItAgainChangesNothing, (bool keep_slash)) {
  const std::string text =
      *rc::gen::container<std::string>(rc::gen::elementOf(std::string("a/%2F4c +~")));
  const auto raw = percent_decode(text);
  RC_ASSERT(is_percent_encoded(text, keep_slash) ==
            (raw.has_value() && percent_encode(*raw, keep_slash) == text));
}

TEST(Encoding, Base64IsStrict) {
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_decode("Zm9vYg=="), "foob");
  for (const char* bad :
       {"Zm9vYg", "Zm9vYg=", "Zm9vYg===", "Zm9v Yg=", "Zm=vYg==", "Zm9vYh==", "===="})
    EXPECT_FALSE(base64_decode(bad)) << bad;
}

TEST(Encoding, BrokenEscapesAreRefused) {
  for (const char* bad : {"%", "%2", "%zz", "a%2"}) EXPECT_FALSE(percent_decode(bad)) << bad;
  EXPECT_EQ(percent_decode("a+b%2B"), "a+b+");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_encode("a/b c~", true), "a/b%20c~");
}

TEST(Encoding, Utf8FollowsRfc3629) {
  for (std::string_view good :
       {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_valid_utf8(good));
  for (std::string_view bad : {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                               "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff"})
    EXPECT_FALSE(is_valid_utf8(bad));
}

TEST(Encoding, DatesInAllTheirForms) {
  constexpr std::int64_t kMs = 784111777000;
  EXPECT_EQ(format_http_date(kMs), "Sun, 06 Nov 1994 08:49:37 GMT");
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994"})
    EXPECT_EQ(parse_http_date(text), kMs) << text;
  EXPECT_EQ(format_iso8601(kMs + 7), "1994-11-06T08:49:37.007Z");
  EXPECT_EQ(parse_iso8601("1994-11-06T08:49:37.007Z"), kMs + 7);
  EXPECT_EQ(parse_iso8601("1994-11-06T08:49:37Z"), kMs);
  EXPECT_EQ(format_amz_date(kMs), "19941106T084937Z");
  EXPECT_EQ(parse_amz_date("19941106T084937Z"), kMs);
  for (const char* bad :
       {"", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", "yesterday"})
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  for (const char* bad : {"19941306T084937Z", "19941106T084937", "1994-11-06"})
    EXPECT_FALSE(parse_amz_date(bad)) << bad;
}

RC_GTEST_PROP(Encoding, EveryMomentSurvivesFormatting, ()) {
  const auto ms = *rc::gen::inRange<std::int64_t>(0, 4'102'444'800'000);
  RC_ASSERT(parse_iso8601(format_iso8601(ms)) == ms);
  RC_ASSERT(parse_http_date(format_http_date(ms)) == ms / 1000 * 1000);
}

}  // namespace
}  // namespace hydra
