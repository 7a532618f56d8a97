// A request that is answered later: a fetch that waits for data, a member that waits for its group.
// Owns:     what it keeps of the request, in a slot of its own kind. One at a time for each connection: answers keep the order of the requests.
// Thread:   loop only.
#pragma once

#include "server/kafka/exchange.h"

namespace rivulet::server::kafka {

class Parked {
public:
    // The connection's turn, once it asked for it with Session::wake(): done, after which this is gone; blocked: no room for the answer now; parked: it goes on waiting.
    virtual Progress resume(Exchange& exchange) = 0;
    // The connection goes, or the broker stops: nobody waits for the answer any more, and this is gone.
    virtual void drop() = 0;
    // It holds what others wait for, and is answered now. False: it cannot be.
    virtual bool hurry() { return false; }

    wire::kafka::RequestHeader header;  // without the client's name
    Session* session = nullptr;

protected:
    ~Parked() = default;
};

}  // namespace rivulet::server::kafka
