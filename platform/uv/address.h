// env::Address to and from the kernel's form.
// Owns:     nothing. Bounds: plain values, no allocation. Thread: any.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "env/address.h"

namespace rivulet::platform {

// Returns the length that belongs to the family.
socklen_t to_sockaddr(const env::Address& address, sockaddr_storage& out);
// An IPv4 address in IPv6's clothes (::ffff:a.b.c.d, what a listener on [::] sees) comes back as IPv4.
env::Address from_sockaddr(const sockaddr& address);

}  // namespace rivulet::platform
