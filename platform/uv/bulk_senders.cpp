#include "platform/uv/bulk_senders.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "platform/uv/connection.h"

namespace rivulet::platform {

bool BulkSenders::take_place(TcpConnection& connection) {
    Place* free = nullptr;
    for (std::size_t i = 0; i < count_; ++i) {
        if (places_[i].connection == &connection) return false;
        if (!free && (!places_[i].connection || idle(*places_[i].connection))) free = &places_[i];
    }
    if (!free) return false;
    int had = 0;
    socklen_t length = sizeof had;
    if (::getsockopt(connection.descriptor(), SOL_SOCKET, SO_SNDBUF, &had, &length) != 0) return false;
    if (free->connection) ::setsockopt(free->connection->descriptor(), SOL_SOCKET, SO_SNDBUF, &free->small_bytes, sizeof free->small_bytes);
    // The kernel tells twice what was asked for.
    *free = {&connection, had / 2};
    return ::setsockopt(connection.descriptor(), SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes) == 0;
}

void BulkSenders::gone(const TcpConnection& connection) {
    for (Place& place : places_)
        if (place.connection == &connection) place = {};
}

bool BulkSenders::idle(const TcpConnection& connection) {
    int unsent = 0;
    return !connection.sending() && ::ioctl(connection.descriptor(), SIOCOUTQ, &unsent) == 0 && unsent == 0;
}

}  // namespace rivulet::platform
