#include "store/format.h"

#include <bit>

namespace rivulet::store {

Status Geometry::check() const {
    if (!std::has_single_bit(segment_bytes) || segment_bytes < segment_bytes_min || segment_bytes > segment_bytes_max)
        return fail(Error::corrupt, static_cast<std::int64_t>(segment_bytes));
    if (segment_count < segment_count_min) return fail(Error::corrupt, segment_count);
    // Page 0 and some body.
    if (checkpoint_area_bytes < 2 * page_bytes) return fail(Error::corrupt, checkpoint_area_bytes);
    // A segment holds its header, the largest group and a footer.
    if (group_bytes_max < page_bytes || group_bytes_max > segment_bytes - 2 * page_bytes) return fail(Error::corrupt, group_bytes_max);
    return {};
}

}  // namespace rivulet::store
