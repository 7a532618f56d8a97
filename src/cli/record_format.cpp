#include "cli/record_format.h"

#include <charconv>

#include "cli/json.h"

namespace rivulet::cli {

namespace {

constexpr std::string_view fields = "tpokvsThKV";

// The escape at the front of `text` (behind its backslash); the number of characters that it takes, 0: none.
std::size_t take_escape(std::string_view text, std::string& out) {
    if (text.empty()) return 0;
    switch (text.front()) {
    case 'n': out += '\n'; return 1;
    case 't': out += '\t'; return 1;
    case 'r': out += '\r'; return 1;
    case '0': out += '\0'; return 1;
    case '\\': out += '\\'; return 1;
    case 'x': break;
    default: return 0;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{} || end != digits.data() + 2) return 0;
    out += static_cast<char>(value);
    return 3;
}

std::string headers_text(const record::Record& record) {
    std::string text;
    record::HeaderReader headers(record);
    while (const auto header = headers.next()) {
        if (!text.empty()) text += ',';
        text += as_text(header->key);
        text += '=';
        text += header->has_value ? as_text(header->value) : std::string_view("NULL");
    }
    return text;
}

std::string base64(Bytes bytes) {
    constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t n = bytes.size() - i < 3 ? bytes.size() - i : 3;
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < n ? bytes[i + j] : 0U);
        for (std::size_t j = 0; j < 4; ++j) text += j <= n ? digits[bits >> (18 - 6 * j) & 63U] : '=';
    }
    return text;
}

// Whatever it holds can be had back: bytes that are no UTF-8 under another name, for JSON has no strings of them.
void add_bytes(Json& json, std::string_view name, bool there, Bytes bytes) {
    if (!there) json.key(name).null();
    else if (is_utf8(as_text(bytes))) json.pair(name, as_text(bytes));
    else json.pair(std::string(name) + "_base64", std::string_view(base64(bytes)));
}

void print_json(std::string& out, std::string_view topic, std::uint64_t partition, const client::FetchedRecord& fetched) {
    const record::Record& record = fetched.record;
    Json json;
    json.object().pair("topic", topic).pair("partition", partition).pair("offset", fetched.offset.value).key("timestamp");
    if (fetched.time.value < 0) json.null();
    else json.value(fetched.time.value);
    add_bytes(json, "key", record.has_key, record.key);
    add_bytes(json, "value", record.has_value, record.value);
    json.key("headers").array();
    record::HeaderReader headers(record);
    while (const auto header = headers.next()) {
        json.object();
        add_bytes(json, "name", true, header->key);
        add_bytes(json, "value", header->has_value, header->value);
        json.end();
    }
    json.end().end();
    out += json.text();
    out += '\n';
}

}  // namespace

RecordFormat::RecordFormat() : pieces_{{'v', {}}, {0, "\n"}} {}

bool RecordFormat::parse(std::string_view format, std::string& problem) {
    std::vector<Piece> pieces;
    std::string literal;
    for (std::size_t i = 0; i < format.size(); ++i) {
        const char c = format[i];
        if (c == '\\') {
            const std::size_t taken = take_escape(format.substr(i + 1), literal);
            if (taken == 0) return problem = "unknown escape " + std::string(format.substr(i, 2)), false;
            i += taken;
        } else if (c != '%') {
            literal += c;
        } else {
            const char field = i + 1 < format.size() ? format[i + 1] : '\0';
            ++i;
            if (field == '%') {
                literal += '%';
                continue;
            }
            if (field == '\0' || fields.find(field) == std::string_view::npos)
                return problem = "unknown " + std::string(format.substr(i - 1, 2)) + ", there are %t %p %o %k %v %s %T %h %K %V %%", false;
            if (!literal.empty()) pieces.push_back({0, literal});
            literal.clear();
            pieces.push_back({field, {}});
        }
    }
    if (!literal.empty()) pieces.push_back({0, literal});
    pieces_ = std::move(pieces);
    return true;
}

void RecordFormat::print(std::string& out, std::string_view topic, std::uint64_t partition, const client::FetchedRecord& fetched) const {
    if (json_) return print_json(out, topic, partition, fetched);
    const record::Record& record = fetched.record;
    for (const Piece& piece : pieces_) {
        switch (piece.field) {
        case 0: out += piece.text; break;
        case 't': out += topic; break;
        case 'p': out += std::to_string(partition); break;
        case 'o': out += std::to_string(fetched.offset.value); break;
        case 'k': out += as_text(record.key); break;
        case 'v':
        case 's': out += as_text(record.value); break;
        case 'T': out += std::to_string(fetched.time.value); break;
        case 'h': out += headers_text(record); break;
        case 'K': out += record.has_key ? std::to_string(record.key.size()) : "-1"; break;
        case 'V': out += record.has_value ? std::to_string(record.value.size()) : "-1"; break;
        default: break;
        }
    }
}

bool unescape(std::string_view text, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        const std::size_t taken = take_escape(text.substr(i + 1), out);
        if (taken == 0) return false;
        i += taken;
    }
    return true;
}

}  // namespace rivulet::cli
