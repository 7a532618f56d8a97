#include "config/nearest.h"

#include <algorithm>
#include <array>

namespace rivulet::config {

namespace {

constexpr std::size_t name_bytes_max = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
// Case, and the choice among . - and _, are no difference worth an edit.
char fold(char c) { return c == '-' || c == '.' ? '_' : lower(c); }

}  // namespace

// Optimal string alignment, three rows.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    if (a.size() > name_bytes_max || b.size() > name_bytes_max) return name_bytes_max + 1;
    using Row = std::array<std::size_t, name_bytes_max + 1>;
    Row before_last{};
    Row last{};
    Row row{};
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool equal = fold(a[i - 1]) == fold(b[j - 1]);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (equal ? 0U : 1U)});
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1])) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    return last[b.size()];
}

void Nearest::offer(std::string_view name) {
    std::size_t distance = edit_distance(wanted_, name);
    // segment is near segment_bytes, whatever the count of letters says.
    if (wanted_.size() >= 4 && (name.find(wanted_) != std::string_view::npos || wanted_.find(name) != std::string_view::npos)) {
        distance = std::min<std::size_t>(distance, 2);
    }
    if (distance < distance_) {
        distance_ = distance;
        best_ = name;
    }
}

std::string_view Nearest::name() const {
    const std::size_t enough = std::max<std::size_t>(2, wanted_.size() / 3);
    return distance_ <= enough ? best_ : std::string_view();
}

}  // namespace rivulet::config
