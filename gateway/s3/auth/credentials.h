// Who may call: users and their access keys. A CredentialStore is an immutable snapshot shared by
// all workers; a change makes a new one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace hydra::s3 {

// The maker of a request. Only Verifier makes one that is not anonymous.
struct Principal {
  std::string user_id;  // canonical id, as owners and grantees are named
  std::string display_name;
  std::string access_key;
  bool root = false;
  bool anonymous = false;
};

struct Credential {
  std::string access_key;
  std::string secret_key;
  Principal owner;  // its access_key is this one
};

class CredentialStore {
 public:
  // kInvalidArgument for an empty or malformed key or user id, kAlreadyExists for an access key
  // given twice.
  static Result<std::shared_ptr<const CredentialStore>> create(std::vector<Credential> credentials);

  // nullptr when there is none.
  const Credential* find(std::string_view access_key) const;
  // Any credential's owner with that user id, for grants; nullptr when there is none.
  const Principal* find_user(std::string_view user_id) const;
  std::size_t size() const { return by_access_key_.size(); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  template <typename T>
  using Map = std::unordered_map<std::string, T, Hash, std::equal_to<>>;

  Map<Credential> by_access_key_;
  Map<const Principal*> by_user_id_;
};

// An AWS shared-credentials file: [profile] sections with aws_access_key_id and
// aws_secret_access_key; other keys are ignored. The profile names the user (id and display name);
// [default] is the root user. kInvalidArgument names the line.
Result<std::vector<Credential>> parse_shared_credentials(std::string_view text);

}  // namespace hydra::s3
