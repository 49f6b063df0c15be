// The names under which the pipeline knows placement/board.h.
#pragma once

#include "placement/board.h"

namespace hydra::object {

using placement::PlacementBoard;
using placement::PlacementView;

}  // namespace hydra::object
