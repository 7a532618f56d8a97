#include "platform/uv/bulk_senders.h"

#include <climits>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "platform/uv/connection.h"

namespace rivulet::platform {

namespace {

bool set(const TcpConnection& connection, int bytes) { return ::setsockopt(connection.descriptor(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0; }

// Sent by us, not acknowledged by its reader's kernel.
int unsent(const TcpConnection& connection) {
    int bytes = 0;
    return ::ioctl(connection.descriptor(), SIOCOUTQ, &bytes) == 0 ? bytes : INT_MAX;
}

}  // namespace

bool BulkSenders::take_place(TcpConnection& connection) {
    Place* place = nullptr;
    for (std::size_t i = 0; i < count_; ++i) {
        if (places_[i].connection == &connection) return false;
        if (!place && free(places_[i])) place = &places_[i];
    }
    int had = 0;
    socklen_t length = sizeof had;
    if (!place || ::getsockopt(connection.descriptor(), SOL_SOCKET, SO_SNDBUF, &had, &length) != 0) return false;
    if (place->connection) set(*place->connection, place->small_bytes);
    *place = {};
    if (!set(connection, buffer_bytes)) return false;
    // The kernel tells twice what was asked for.
    *place = {&connection, had / 2};
    return true;
}

void BulkSenders::gone(const TcpConnection& connection) {
    for (Place& place : places_) {
        if (place.connection != &connection) continue;
        const linger reset{.l_onoff = 1, .l_linger = 0};
        if (unsent(connection) > place.small_bytes) ::setsockopt(connection.descriptor(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        place = {};
    }
}

bool BulkSenders::free(const Place& place) { return !place.connection || (!place.connection->sending() && unsent(*place.connection) <= place.small_bytes); }

}  // namespace rivulet::platform
