// An IP address and port, and a host by name or address with a port.
// Bounds:   plain values. Errors: invalid_address; host names are for Network::resolve.
// Format:   text is 127.0.0.1:9192 or [::1]:9192.
#pragma once

#include <array>
#include <string_view>

#include "base/result.h"
#include "base/text.h"

namespace rivulet::env {

struct Address {
    bool v6 = false;
    std::array<std::uint8_t, 16> ip{};  // network order; the first 4 bytes for IPv4
    std::uint16_t port = 0;
    bool operator==(const Address&) const = default;
};

// HOST:PORT as people write it, port 1 to 65535. The host is a name or an address, IPv6 in brackets, which are left out here; a view of the text.
struct Endpoint {
    std::string_view host;
    std::uint16_t port = 0;
};

Result<Address> parse_address(std::string_view text);
Result<Endpoint> parse_endpoint(std::string_view text);
Text& operator<<(Text& out, const Address& address);

}  // namespace rivulet::env
