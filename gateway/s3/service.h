// Service: S3 on one worker. Every request goes: verify (the one verifier) -> find target -> route
// -> operation; what fails on the way is rendered from the one table of errors.
#pragma once

#include <memory>
#include <string>

#include "gateway/s3/call.h"

namespace hydra::s3 {

class Service {
 public:
  Service(object::ObjectStore& store, std::shared_ptr<const CredentialStore> credentials,
          ServiceOptions options);

  // An http::Handler's work. Returns the name of the operation, "none" when the request was refused
  // before it had one; of static storage.
  Task<std::string_view> handle(http::Exchange& exchange);
  // For errors that arise before there is a request (http::ErrorRenderer).
  std::string render(const Error& error, http::ResponseHead& head);

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  Task<Status> serve(http::Exchange& exchange, const std::string& request_id,
                     std::string_view& name);
  Task<void> answer_error(http::Exchange& exchange, const Error& error,
                          const std::string& request_id, Fields fields);
  std::string new_request_id();

  object::ObjectStore& store_;
  Verifier verifier_;
  ServiceOptions options_;
};

}  // namespace hydra::s3
