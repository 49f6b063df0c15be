#include "gateway/s3/auth/credentials.h"

#include <fmt/format.h>

#include <algorithm>

namespace hydra::s3 {

namespace {

constexpr std::size_t kMaxKeyBytes = 256;

// Access keys stand in credential scopes, where '/' and ',' separate, and in XML.
bool is_access_key(std::string_view text) {
  return !text.empty() && text.size() <= kMaxKeyBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '/' && c != ',' && c != '<' && c != '&';
         });
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r";
  const auto first = text.find_first_not_of(kSpaces);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

}  // namespace

Result<std::shared_ptr<const CredentialStore>> CredentialStore::create(
    std::vector<Credential> credentials) {
  auto store = std::make_shared<CredentialStore>();
  for (Credential& credential : credentials) {
    const std::string key = credential.access_key;
    if (!is_access_key(key)) return fail(Code::kInvalidArgument, "malformed access key");
    if (credential.secret_key.empty() || credential.secret_key.size() > kMaxKeyBytes)
      return fail(Code::kInvalidArgument, "malformed secret of access key " + key);
    if (credential.owner.user_id.empty() || credential.owner.anonymous)
      return fail(Code::kInvalidArgument, "access key " + key + " has no user");
    credential.owner.access_key = key;
    const auto [at, added] = store->by_access_key_.emplace(key, std::move(credential));
    if (!added) return fail(Code::kAlreadyExists, "access key " + key + " is given twice");
    store->by_user_id_.emplace(at->second.owner.user_id, &at->second.owner);
  }
  return std::shared_ptr<const CredentialStore>(std::move(store));
}

const Credential* CredentialStore::find(std::string_view access_key) const {
  const auto found = by_access_key_.find(access_key);
  return found == by_access_key_.end() ? nullptr : &found->second;
}

const Principal* CredentialStore::find_user(std::string_view user_id) const {
  const auto found = by_user_id_.find(user_id);
  return found == by_user_id_.end() ? nullptr : found->second;
}

Result<std::vector<Credential>> parse_shared_credentials(std::string_view text) {
  std::vector<Credential> all;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      const std::string_view profile =
          line.back() == ']' ? trim(line.substr(1, line.size() - 2)) : std::string_view();
      if (profile.empty())
        return fail(Code::kInvalidArgument, fmt::format("line {}: malformed profile", number));
      Credential credential;
      credential.owner.user_id = credential.owner.display_name = profile;
      credential.owner.root = profile == "default";
      all.push_back(std::move(credential));
      continue;
    }
    const auto equals = line.find('=');
    if (equals == line.npos || all.empty())
      return fail(Code::kInvalidArgument, fmt::format("line {}: neither profile nor key", number));
    const std::string_view name = trim(line.substr(0, equals));
    const std::string_view value = trim(line.substr(equals + 1));
    if (name == "aws_access_key_id") all.back().access_key = value;
    if (name == "aws_secret_access_key") all.back().secret_key = value;
  }
  for (Credential& credential : all) {
    if (credential.access_key.empty() || credential.secret_key.empty())
      return fail(Code::kInvalidArgument,
                  "profile " + credential.owner.user_id + " lacks a key or its secret");
    credential.owner.access_key = credential.access_key;
  }
  return all;
}

}  // namespace hydra::s3
