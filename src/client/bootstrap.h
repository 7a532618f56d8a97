// Where brokers are to be found: HOST:PORT[,HOST:PORT…], tried in this order.
// Owns:     nothing: views into the text it was read from, which must outlive it.
// Bounds:   bootstrap_max entries; no allocation. Errors: parse: invalid_argument, detail = number of the wrong entry, from 1
//           (0: the list is empty, bootstrap_max + 1: too many).
// Format:   HOST is a name, 10.0.0.7 or [fe80::1]; without :PORT it is `port`.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/result.h"
#include "env/address.h"

namespace rivulet::client {

constexpr std::size_t bootstrap_max = 8;
constexpr std::uint16_t default_port = 9192;

struct Endpoint {
    std::string_view text;  // as given
    std::string_view host;  // without brackets
    std::uint16_t port = default_port;
    bool numeric = false;   // `address` holds; otherwise the host is for Network::resolve
    env::Address address;
};

class Bootstrap {
public:
    static Result<Bootstrap> parse(std::string_view list, std::uint16_t port = default_port);
    std::span<const Endpoint> endpoints() const { return std::span(entries_).first(count_); }

private:
    std::array<Endpoint, bootstrap_max> entries_;
    std::size_t count_ = 0;
};

}  // namespace rivulet::client
