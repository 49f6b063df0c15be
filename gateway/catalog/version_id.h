// Ids of versions as clients see them: 32 hexadecimal digits, the version's sequence and 64 random
// bits. The sequence finds the version's row without an index, and lets a listing go on behind a
// version that is gone; the random bits keep ids from being guessed. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hydra::catalog {

std::string make_version_id(std::uint64_t sequence, std::uint64_t random);
// std::nullopt for anything that make_version_id does not return, so for kNullVersionId, too.
std::optional<std::uint64_t> sequence_of_version_id(std::string_view id);
// Whether a version could have this id, or is the null one.
bool is_version_id(std::string_view id);

}  // namespace hydra::catalog
