#include "env/address.h"

namespace rivulet::env {

namespace {

Result<std::uint16_t> parse_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || port > 65535) return fail(Error::invalid_address);
    return static_cast<std::uint16_t>(port);
}

bool parse_v4(std::string_view text, std::uint8_t* out) {
    for (int i = 0; i < 4; ++i) {
        const std::size_t dot = i < 3 ? text.find('.') : text.size();
        if (dot == std::string_view::npos || dot == 0 || dot > 3) return false;
        unsigned byte = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + dot, byte);
        if (error != std::errc{} || end != text.data() + dot || byte > 255) return false;
        out[i] = static_cast<std::uint8_t>(byte);
        text.remove_prefix(i < 3 ? dot + 1 : dot);
    }
    return true;
}

// RFC 4291 section 2.2 without the embedded IPv4 form: groups of hex digits, at most one "::".
bool parse_v6(std::string_view text, std::uint8_t* out) {
    std::uint16_t head[8];
    std::uint16_t tail[8];
    int head_count = 0;
    int tail_count = 0;
    bool elided = false;
    while (!text.empty()) {
        if (text.starts_with("::")) {
            if (elided) return false;
            elided = true;
            text.remove_prefix(2);
            continue;
        }
        if (head_count + tail_count > 0 && !(elided && tail_count == 0)) {
            if (text.front() != ':') return false;
            text.remove_prefix(1);
        }
        unsigned group = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), group, 16);
        const auto digits = end - text.data();
        if (error != std::errc{} || digits == 0 || digits > 4 || head_count + tail_count == 8) return false;
        text.remove_prefix(static_cast<std::size_t>(digits));
        (elided ? tail[tail_count++] : head[head_count++]) = static_cast<std::uint16_t>(group);
    }
    if (elided ? head_count + tail_count > 7 : head_count != 8) return false;
    for (int i = 0; i < head_count; ++i) store_be(out + 2 * i, head[i]);
    for (int i = 0; i < tail_count; ++i) store_be(out + 16 - 2 * (tail_count - i), tail[i]);
    return true;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
    Address address;
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return fail(Error::invalid_address);
    std::string_view host = text.substr(0, colon);
    RIVULET_TRY_ASSIGN(address.port, parse_port(text.substr(colon + 1)));
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        address.v6 = true;
        host = host.substr(1, host.size() - 2);
        if (!parse_v6(host, address.ip.data())) return fail(Error::invalid_address);
    } else if (!parse_v4(host, address.ip.data())) {
        return fail(Error::invalid_address);
    }
    return address;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return fail(Error::invalid_address);
    RIVULET_TRY_ASSIGN(const std::uint16_t port, parse_port(text.substr(colon + 1)));
    if (port == 0) return fail(Error::invalid_address);
    const std::string_view host = text.substr(0, colon);
    if (host.front() == '[') {
        RIVULET_TRY(parse_address(text));
        return Endpoint{host.substr(1, host.size() - 2), port};
    }
    for (const char c : host) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        if (!good) return fail(Error::invalid_address);
    }
    return Endpoint{host, port};
}

Text& operator<<(Text& out, const Address& address) {
    if (address.v6) {
        out << '[';
        for (int i = 0; i < 8; ++i) {
            if (i != 0) out << ':';
            out.hex(load_be<std::uint16_t>(address.ip.data() + 2 * i));
        }
        out << ']';
    } else {
        for (int i = 0; i < 4; ++i) {
            if (i != 0) out << '.';
            out << static_cast<unsigned>(address.ip[static_cast<std::size_t>(i)]);
        }
    }
    return out << ':' << address.port;
}

}  // namespace rivulet::env
