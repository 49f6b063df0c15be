#include "gateway/object/key_shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "gateway/object/keyring.h"

namespace hydra::object {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string key_file() {
  DataKey key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(i * 7 + 1);
  return KeyRing::generate(key);
}
std::string bare() { return KeyRing::parse(key_file())->to_text(); }

std::vector<std::string> split(unsigned shares, unsigned needed) {
  auto out = split_keys(key_file(), shares, needed);
  EXPECT_TRUE(out.has_value());
  return std::move(*out);
}

std::string message_of(const std::string& text) {
  const auto joined = join_key_shares(text);
  return joined ? "it was joined" : joined.error().message;
}

RC_GTEST_PROP(KeyShares, AnyOfThemThatAreEnoughMakeTheKeyFile, ()) {
  const auto shares = *rc::gen::inRange(2u, 9u);
  const auto needed = *rc::gen::inRange(2u, shares + 1);
  auto texts = split_keys(key_file(), shares, needed);
  RC_ASSERT(texts.has_value());
  RC_ASSERT(texts->size() == shares);
  const auto order = *rc::gen::unique<std::vector<unsigned>>(needed, rc::gen::inRange(0u, shares));
  std::string text = "# by post\r\n\n";
  for (const unsigned i : order) text += (*texts)[i] + "\f\n";
  const auto joined = join_key_shares(text);
  RC_ASSERT(joined.has_value());
  RC_ASSERT(*joined == bare());
}

TEST(KeyShares, TooFewAreToldAndTellNothing) {
  const auto shares = split(5, 3);
  EXPECT_THAT(message_of(shares[0] + shares[4]), HasSubstr("2 of the 3"));
  EXPECT_THAT(message_of(shares[0] + shares[4] + shares[4]), HasSubstr("2 of the 3"));
  EXPECT_EQ(join_key_shares(shares[0] + shares[4] + shares[4] + shares[1]), bare());
  // Said to need fewer than it does, the lines no longer are as they were printed.
  std::string forged = shares[0] + shares[4];
  for (auto at = forged.find("needs 3"); at != std::string::npos; at = forged.find("needs 3"))
    forged.replace(at, 7, "needs 2");
  EXPECT_THAT(message_of(forged), HasSubstr("line 3: it is not as it was printed"));
}

TEST(KeyShares, EachSplitIsAnother) {
  const auto one = split(3, 2), other = split(3, 2);
  EXPECT_NE(one[0], other[0]);
  EXPECT_THAT(message_of(one[0] + other[1]), HasSubstr("different splits"));
}

TEST(KeyShares, ASlipOfThePenNamesItsLine) {
  const auto shares = split(2, 2);
  const std::string& text = shares[0];
  int line = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') ++line;
    if (line < 3 || std::isxdigit(static_cast<unsigned char>(text[i])) == 0) continue;
    std::string wrong = text;
    wrong[i] = wrong[i] == '0' ? '1' : '0';
    EXPECT_THAT(message_of(shares[1] + wrong), HasSubstr("it is not as it was printed")) << i;
  }
}

TEST(KeyShares, IncompleteOnesAreRefused) {
  const auto shares = split(2, 2);
  const std::string all = shares[0] + shares[1];
  for (std::size_t i = 0; i + 1 < all.size(); ++i)
    ASSERT_FALSE(join_key_shares(all.substr(0, i)).has_value()) << i;
  EXPECT_EQ(join_key_shares(all), bare());
  EXPECT_THAT(message_of("hello"), HasSubstr("line 1: expected"));
  EXPECT_THAT(message_of(""), HasSubstr("there are none"));
}

TEST(KeyShares, OfNoUse) {
  EXPECT_FALSE(split_keys(key_file(), 3, 1).has_value());
  EXPECT_FALSE(split_keys(key_file(), 2, 3).has_value());
  EXPECT_FALSE(split_keys(key_file(), kMaxKeyShares + 1, 2).has_value());
  EXPECT_FALSE(split_keys("something else", 3, 2).has_value());
}

TEST(KeyShares, NoShareHoldsAKey) {
  const std::string hex = bare().substr(bare().find("1 ", 17) + 2, 16);
  for (const auto& share : split(5, 2)) EXPECT_THAT(share, Not(HasSubstr(hex)));
}

}  // namespace
}  // namespace hydra::object
