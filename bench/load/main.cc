// hydra-load: a small load generator for any S3 endpoint. Prints one JSON object; exits with 1 when
// an operation failed.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <fstream>

#include "base/encoding.h"
#include "bench/load/engine.h"

namespace hydra::bench {
namespace {

struct Options {
  WorkloadOptions workload;
  EngineOptions engine;
  std::string endpoint, credentials_file, region = "us-east-1";
};

void declare(CLI::App& app, Options& options) {
  auto& [workload, engine, endpoint, credentials_file, region] = options;
  app.add_option("operation", workload.operation)
      ->required()
      ->check(CLI::IsMember({"put", "get", "head", "delete", "list", "mixed", "make-bucket"}));
  app.add_option("--endpoint", endpoint, "http://HOST[:PORT]")->required();
  app.add_option("--credentials", credentials_file, "a file as the AWS tools have it")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--region", region);
  app.add_option("--bucket", workload.bucket);
  app.add_option("--prefix", workload.prefix, "of the keys");
  app.add_option("--size", workload.size, "of each body, as in 4KiB")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--keys", workload.keys, "how many there are")->check(CLI::PositiveNumber);
  app.add_option("--put-percent", workload.put_percent, "of mixed")->check(CLI::Range(0, 100));
  app.add_option("--max-keys", workload.max_keys, "of a listing's page")
      ->check(CLI::PositiveNumber);
  app.add_flag("--signed", workload.signed_headers,
               "sign each request's headers instead of presigning each key's URL");
  app.add_option("--seed", workload.seed, "of the order of keys and of Poisson arrivals");
  app.add_option("--streams", engine.streams, "connections")->check(CLI::Range(1, 4096));
  app.add_option("--ops", engine.max_operations, "stop after so many");
  app.add_option("--seconds", engine.seconds, "stop after so long");
  app.add_option("--rate", engine.rate, "operations a second, in an open loop");
  app.add_flag("--poisson", engine.poisson, "open loop with random arrivals");
  app.add_flag("--verify", engine.verify, "compare what comes back byte for byte");
  app.add_option("--timeout", engine.timeout_s, "seconds for one operation")
      ->check(CLI::PositiveNumber);
}

Result<Credentials> read_credentials(const std::string& path) {
  std::ifstream file(path);
  Credentials credentials;
  for (std::string line; std::getline(file, line);) {
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = line.substr(0, equals), value = line.substr(equals + 1);
    if (name == "aws_access_key_id" && credentials.access_key.empty())
      credentials.access_key = value;
    if (name == "aws_secret_access_key" && credentials.secret_key.empty())
      credentials.secret_key = value;
  }
  if (credentials.access_key.empty() || credentials.secret_key.empty())
    return fail(Code::kInvalidArgument, path + " holds no aws_access_key_id and secret");
  return credentials;
}

Status split_endpoint(Options& options) {
  constexpr std::string_view kScheme = "http://";
  std::string_view text = options.endpoint;
  if (!text.starts_with(kScheme))
    return fail(Code::kInvalidArgument, "--endpoint begins with http://");
  text.remove_prefix(kScheme.size());
  while (text.ends_with('/')) text.remove_suffix(1);
  const std::size_t colon = text.rfind(':');
  options.workload.host = text;
  options.engine.host = text.substr(0, colon);
  options.engine.port = colon == std::string_view::npos ? "80" : text.substr(colon + 1);
  return {};
}

Status check_limits(Options& options) {
  EngineOptions& engine = options.engine;
  if (options.workload.operation == "make-bucket") {
    engine.max_operations = engine.streams = 1;
    engine.rate = 0;
  }
  if (options.workload.operation == "delete" && engine.max_operations == 0)
    engine.max_operations = options.workload.keys;
  if (engine.max_operations == 0 && engine.seconds <= 0)
    return fail(Code::kInvalidArgument, "one of --ops and --seconds, please");
  // Signed headers carry the date of the run's start, which servers accept for 15 minutes.
  if (options.workload.signed_headers && engine.seconds > 800)
    return fail(Code::kInvalidArgument, "--signed goes with at most 800 --seconds");
  return {};
}

Status run(Options& options) {
  HYDRA_CHECK_OK(split_endpoint(options));
  HYDRA_CHECK_OK(check_limits(options));
  HYDRA_TRY(Credentials credentials, read_credentials(options.credentials_file));
  Signer signer(std::move(credentials), options.region, options.workload.host,
                format_amz_date(static_cast<std::int64_t>(std::time(nullptr)) * 1000));
  const Payload payload;
  const Workload workload(options.workload, std::move(signer));
  Engine engine(options.engine, workload, payload);
  HYDRA_TRY(const Report report, engine.run());
  std::fputs(report.to_json().c_str(), stdout);
  if (report.errors > 0) return fail(Code::kInternal, report.first_error);
  return {};
}

}  // namespace
}  // namespace hydra::bench

int main(int argc, char** argv) {
  hydra::bench::Options options;
  CLI::App app("A load generator for S3 endpoints; prints JSON");
  hydra::bench::declare(app, options);
  CLI11_PARSE(app, argc, argv);
  const hydra::Status status = hydra::bench::run(options);
  if (!status) std::fprintf(stderr, "hydra-load: %s\n", status.error().message.c_str());
  return status ? 0 : 1;
}
