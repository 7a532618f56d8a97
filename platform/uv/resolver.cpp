#include "platform/uv/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <cstdlib>

#include "platform/linux/operator_new.h"
#include "platform/uv/address.h"

namespace rivulet::platform {

void set_resolver_patience() { ::setenv("RES_OPTIONS", "timeout:2 attempts:2", 0); }

void Resolver::start(std::string_view host, std::uint16_t port, env::Resolved& callback) {
    RIVULET_CHECK(!callback_);
    callback_ = &callback;
    port_ = port;
    count_ = 0;
    const bool fits = !host.empty() && host.size() <= host_max && host.find('\0') == host.npos;
    error_ = fits ? Error::none : Error::invalid_argument;
    if (!fits) host = {};
    if (!host.empty()) std::memcpy(host_, host.data(), host.size());
    host_[host.size()] = '\0';
    jobs_.submit(*this);
}

void Resolver::run(env::Disk&) {
    if (error_ == Error::none && !parse_numeric()) look_up();
}

bool Resolver::parse_numeric() {
    env::Address address;
    address.port = port_;
    if (::inet_pton(AF_INET, host_, address.ip.data()) != 1) {
        address.v6 = ::inet_pton(AF_INET6, host_, address.ip.data()) == 1;
        if (!address.v6) return false;
    }
    addresses_[count_++] = address;
    return true;
}

void Resolver::look_up() {
    const AllocationExemption exemption;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const int result = ::getaddrinfo(host_, nullptr, &hints, &found);
    if (result != 0) {
        error_ = result == EAI_AGAIN ? Error::timed_out : Error::host_not_found;
        return;
    }
    for (const addrinfo* at = found; at && count_ < addresses_max; at = at->ai_next) {
        addresses_[count_] = from_sockaddr(*at->ai_addr);
        addresses_[count_++].port = port_;
    }
    ::freeaddrinfo(found);
    if (count_ == 0) error_ = Error::host_not_found;
}

void Resolver::done() {
    env::Resolved& callback = *callback_;
    callback_ = nullptr;
    callback.on_resolved(error_, std::span<const env::Address>(addresses_, count_));
}

}  // namespace rivulet::platform
