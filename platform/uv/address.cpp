#include "platform/uv/address.h"

#include <cstring>

namespace rivulet::platform {

socklen_t to_sockaddr(const env::Address& address, sockaddr_storage& out) {
    std::memset(&out, 0, sizeof out);
    if (address.v6) {
        auto& in6 = reinterpret_cast<sockaddr_in6&>(out);
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(address.port);
        std::memcpy(&in6.sin6_addr, address.ip.data(), 16);
        return sizeof in6;
    }
    auto& in = reinterpret_cast<sockaddr_in&>(out);
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    std::memcpy(&in.sin_addr, address.ip.data(), 4);
    return sizeof in;
}

env::Address from_sockaddr(const sockaddr& address) {
    env::Address result;
    if (address.sa_family == AF_INET) {
        const auto& in = reinterpret_cast<const sockaddr_in&>(address);
        std::memcpy(result.ip.data(), &in.sin_addr, 4);
        result.port = ntohs(in.sin_port);
    } else if (address.sa_family == AF_INET6) {
        const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
        result.port = ntohs(in6.sin6_port);
        result.v6 = !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        if (result.v6) std::memcpy(result.ip.data(), &in6.sin6_addr, 16);
        else std::memcpy(result.ip.data(), in6.sin6_addr.s6_addr + 12, 4);
    }
    return result;
}

}  // namespace rivulet::platform
