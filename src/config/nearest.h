// The known name that someone probably meant.
// Owns:     nothing. Bounds: names of at most 64 bytes are compared; longer ones are nobody's neighbour. No allocation.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace rivulet::config {

// Edits (insert, delete, replace, swap of neighbours) from one to the other; more than 64 if either is too long.
std::size_t edit_distance(std::string_view a, std::string_view b);

// Offered one name after the other, remembers the nearest; the first of equals.
class Nearest {
public:
    explicit Nearest(std::string_view wanted) : wanted_(wanted) {}
    void offer(std::string_view name);
    // Empty if nothing is near enough to be worth naming.
    std::string_view name() const;

private:
    std::string_view wanted_;
    std::string_view best_;
    std::size_t distance_ = 65;
};

}  // namespace rivulet::config
