#include "client/bootstrap.h"

#include <charconv>

namespace rivulet::client {

namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

bool parse_port(std::string_view text, std::uint16_t& port) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

bool is_host_name(std::string_view host) {
    if (host.empty() || host.size() > 253) return false;
    for (const char c : host) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
        if (!good) return false;
    }
    return true;
}

// With brackets if it holds a colon, as parse_address wants it.
Result<env::Address> numeric_address(std::string_view host, std::uint16_t port, bool v6) {
    char buffer[80];
    Text text(buffer);
    text << (v6 ? "[" : "") << host << (v6 ? "]:" : ":") << port;
    if (text.cut()) return fail(Error::invalid_address);
    return env::parse_address(text.view());
}

bool parse_endpoint(std::string_view text, Endpoint& out) {
    out.text = text;
    std::string_view port;
    const bool v6 = text.starts_with('[');
    const std::size_t host_end = v6 ? text.find(']') : text.find(':');
    if (v6) {
        if (host_end == std::string_view::npos) return false;
        out.host = text.substr(1, host_end - 1);
        port = text.substr(host_end + 1);
    } else {
        out.host = text.substr(0, host_end);
        port = host_end == std::string_view::npos ? std::string_view() : text.substr(host_end);
    }
    if (!port.empty() && (port.front() != ':' || !parse_port(port.substr(1), out.port))) return false;
    const auto address = numeric_address(out.host, out.port, v6);
    out.numeric = address.ok();
    if (address) out.address = *address;
    return out.numeric || (!v6 && is_host_name(out.host));
}

}  // namespace

Result<Bootstrap> Bootstrap::parse(std::string_view list, std::uint16_t port) {
    Bootstrap bootstrap;
    if (trim(list).empty()) return fail(Error::invalid_argument, 0);
    for (;;) {
        const std::size_t comma = list.find(',');
        if (bootstrap.count_ == bootstrap_max) return fail(Error::invalid_argument, bootstrap_max + 1);
        Endpoint& entry = bootstrap.entries_[bootstrap.count_++];
        entry.port = port;
        if (!parse_endpoint(trim(list.substr(0, comma)), entry)) return fail(Error::invalid_argument, static_cast<std::int64_t>(bootstrap.count_));
        if (comma == std::string_view::npos) return bootstrap;
        list.remove_prefix(comma + 1);
    }
}

}  // namespace rivulet::client
