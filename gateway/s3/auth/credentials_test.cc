#include "gateway/s3/auth/credentials.h"

#include <gtest/gtest.h>

namespace hydra::s3 {
namespace {

Credential credential(std::string key, std::string secret, std::string user) {
  Credential out{.access_key = std::move(key), .secret_key = std::move(secret)};
  out.owner.user_id = std::move(user);
  return out;
}

TEST(Credentials, AreFoundByKeyAndByUser) {
  const auto store =
      CredentialStore::create({credential("AK1", "s1", "u1"), credential("AK2", "s2", "u1"),
                               credential("AK3", "s3", "u2")});
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->size(), 3u);
  ASSERT_NE((*store)->find("AK2"), nullptr);
  EXPECT_EQ((*store)->find("AK2")->secret_key, "s2");
  EXPECT_EQ((*store)->find("AK2")->owner.access_key, "AK2");
  EXPECT_EQ((*store)->find("ak2"), nullptr);
  ASSERT_NE((*store)->find_user("u2"), nullptr);
  EXPECT_EQ((*store)->find_user("u3"), nullptr);
}

TEST(Credentials, MalformedOnesAreRefused) {
  for (const auto& bad : {credential("", "s", "u"), credential("a/b", "s", "u"),
                          credential("a b", "s", "u"), credential("AK", "", "u"),
                          credential("AK", "s", ""), credential("AK", std::string(300, 's'), "u")})
    EXPECT_EQ(CredentialStore::create({bad}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(CredentialStore::create({credential("AK", "s", "u"), credential("AK", "t", "v")})
                .error()
                .code,
            Code::kAlreadyExists);
}

TEST(SharedCredentials, ProfilesBecomeUsers) {
  const auto all = parse_shared_credentials(
      "# comment\n[default]\naws_access_key_id = AKROOT\r\naws_secret_access_key=a=b/c+\n"
      "region = x\n\n; more\n [ alice ]\n aws_secret_access_key = s2\n aws_access_key_id = "
      "AKALICE");
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].access_key, "AKROOT");
  EXPECT_EQ((*all)[0].secret_key, "a=b/c+");
  EXPECT_TRUE((*all)[0].owner.root);
  EXPECT_EQ((*all)[1].owner.user_id, "alice");
  EXPECT_EQ((*all)[1].owner.access_key, "AKALICE");
  EXPECT_FALSE((*all)[1].owner.root);
}

TEST(SharedCredentials, BrokenFilesAreRefused) {
  for (const char* text : {"aws_access_key_id = a\n", "[]\n", "[a\n", "[a]\nnonsense\n",
                           "[a]\naws_access_key_id = a\n", "[a]\naws_secret_access_key = a\n"})
    EXPECT_EQ(parse_shared_credentials(text).error().code, Code::kInvalidArgument) << text;
}

}  // namespace
}  // namespace hydra::s3
