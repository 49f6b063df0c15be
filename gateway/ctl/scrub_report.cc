#include "gateway/ctl/scrub_report.h"

#include "gateway/ctl/reading.h"
#include "gateway/ctl/text.h"

namespace hydra::ctl {

namespace {

using Json = nlohmann::ordered_json;

std::string found(const Json& pass) {
  std::string text = fmt::format("{} ({}) verified, {} broken",
                                 counted(pass.at("shards").get<std::uint64_t>(), "shard", "shards"),
                                 bytes_text(pass.at("bytes").get<std::uint64_t>()),
                                 pass.at("broken").get<std::uint64_t>());
  if (const auto away = pass.at("unreachable").get<std::uint64_t>(); away > 0)
    text += fmt::format(", {} on nodes that were away", away);
  return text;
}

std::string text_of(const Json& scrub) {
  std::string out;
  if (const Json& now = scrub.at("now"); now.is_null()) {
    out += scrub.at("next").is_null()
               ? "No scrub is under way, and none is planned.\n"
               : fmt::format("No scrub is under way; the next begins at {}.\n",
                             scrub.at("next").get<std::string>());
  } else {
    out +=
        fmt::format("A scrub is under way since {}: {:.1f} %, {}, {}/s",
                    now.at("started").get<std::string>(), 100 * scrub.at("progress").get<double>(),
                    found(now), bytes_text(scrub.at("bytes_per_second").get<std::uint64_t>()));
    out += scrub.at("ends").is_null()
               ? ".\n"
               : fmt::format(", until {}.\n", scrub.at("ends").get<std::string>());
  }
  if (const Json& last = scrub.at("last"); last.is_null())
    out += "No scrub has been finished yet.\n";
  else
    out += fmt::format("The last one ended at {}: {}.\n", last.at("finished").get<std::string>(),
                       found(last));
  return out;
}

}  // namespace

Result<std::string> scrub_report(const Json& scrub) {
  return reading([&] { return text_of(scrub); });
}

}  // namespace hydra::ctl
