#include "broker/view_cursor.h"

#include "broker/broker.h"

namespace rivulet::broker {

bool ViewCursor::refill() {
    if (!view_.more() || !broker_.refill(view_)) return false;
    piece_ = 0;
    return true;
}

}  // namespace rivulet::broker
