// key export and key join: copies of the key file for a safe place. They read files on this
// machine and ask no gateway: keys never travel.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <iterator>

#include "gateway/ctl/commands.h"
#include "gateway/object/key_shares.h"
#include "gateway/object/keyring.h"
#include "gateway/object/private_file.h"

namespace hydra::ctl {

namespace {

struct Export {
  std::string file = "var/gateway/master.key";  // of ./dev up
  unsigned shares = 0;
  unsigned needed = 0;
  std::string directory;
};

constexpr std::string_view kWhole =
    "# HydraGrid key file. Print this, or write it to a medium that you keep away from the "
    "gateway\n"
    "# and the nodes. To use it again, put these lines into a file of mode 0600 and name that as\n"
    "# keys.file. Whoever has it and the nodes can read all that is stored.\n";

std::string explained(const Export& what, unsigned number, const std::string& share) {
  return fmt::format(
      "# HydraGrid key share {} of {}. Any {} of them make the key file again:\n"
      "#   hydractl key join FILE...\n"
      "# Fewer tell nothing of it. Keep each in another place.\n{}",
      number, what.shares, what.needed, share);
}

Result<Exit> export_whole(Session& session, const std::string& text) {
  HYDRA_TRY(const auto ring, object::KeyRing::parse(text));
  if (session.wants_json())
    session.print_json({{"key_file", ring.to_text()}});
  else
    session.print(std::string(kWhole) + ring.to_text());
  return kExitOk;
}

Result<Exit> export_shares(Session& session, const Export& what, const std::string& text) {
  HYDRA_TRY(auto shares, object::split_keys(text, what.shares, what.needed));
  Json json{{"needed", what.needed}, {"shares", Json::array()}};
  for (unsigned i = 0; i < shares.size(); ++i) {
    const std::string page = explained(what, i + 1, shares[i]);
    if (!what.directory.empty()) {
      const std::string path =
          fmt::format("{}/key-share-{}-of-{}", what.directory, i + 1, what.shares);
      HYDRA_CHECK_OK(object::write_private_file(path, page));
      json["shares"].push_back(path);
      if (!session.wants_json()) session.print(path + "\n");
    } else if (session.wants_json()) {
      json["shares"].push_back(page);
    } else {
      session.print((i == 0 ? "" : "\f\n") + page);
    }
  }
  if (session.wants_json()) session.print_json(json);
  return kExitOk;
}

Result<Exit> export_keys(Session& session, const Export& what) {
  HYDRA_TRY(const std::string text, object::read_private_file(what.file));
  if (what.shares != 0) return export_shares(session, what, text);
  if (!what.directory.empty())
    return fail(Code::kInvalidArgument, "--directory is for shares: say --shares and --needed");
  return export_whole(session, text);
}

Result<Exit> join_shares(Session& session, const std::vector<std::string>& files) {
  std::string text;
  for (const std::string& file : files) {
    if (file == "-") {
      text.append(std::istreambuf_iterator<char>(std::cin), {});
    } else {
      HYDRA_TRY(const std::string share, object::read_file(file));
      text += share;
    }
    text += '\n';
  }
  HYDRA_TRY(const std::string keys, object::join_key_shares(text));
  if (session.wants_json())
    session.print_json({{"key_file", keys}});
  else
    session.print(std::string(kWhole) + keys);
  return kExitOk;
}

}  // namespace

void add_key_commands(Commands& commands) {
  CLI::App& key = commands.group("key", "the key file, the one thing to keep");

  const auto what = std::make_shared<Export>();
  CLI::App& out =
      commands.add(key, "export", "print the key file, or shares of it, for safe places",
                   [what](Session& session) { return export_keys(session, *what); });
  out.add_option("--file", what->file, "the key file, keys.file of the gateway's configuration")
      ->type_name("PATH")
      ->capture_default_str();
  CLI::Option* const shares =
      out.add_option("--shares", what->shares, "split it among so many keepers")
          ->type_name("N")
          ->check(CLI::Range(2u, object::kMaxKeyShares));
  CLI::Option* const needed =
      out.add_option("--needed", what->needed, "so many shares make it whole again")
          ->type_name("K")
          ->needs(shares);
  shares->needs(needed);
  out.add_option("--directory", what->directory, "write each share into a file of its own there")
      ->type_name("DIR");

  const auto files = std::make_shared<std::vector<std::string>>();
  commands
      .add(key, "join", "print the key file that shares make",
           [files](Session& session) { return join_shares(session, *files); })
      .add_option("FILE", *files, "holds one share or several; - is standard input")
      ->required();
}

}  // namespace hydra::ctl
