#include "store/offline/report.h"

namespace rivulet::store {

namespace {

// What needs escapes is a name, of which the longest has 249 characters.
constexpr std::size_t plain_bytes_max = 1200;
constexpr std::size_t escaped_bytes_max = 249;

bool plain(char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; }

}  // namespace

ReportLine::ReportLine(const Report& report, std::string_view kind) : report_(report) {
    if (report_.json) out_ << "{\"kind\":\"" << kind << '"';
    else out_ << kind;
}

ReportLine::~ReportLine() {
    if (report_.json) out_ << '}';
    report_.sink.line(out_.view());
}

void ReportLine::key(std::string_view name) {
    if (report_.json) out_ << ",\"" << name << "\":";
    else out_ << ' ' << name << '=';
}

ReportLine& ReportLine::flag(std::string_view name, bool value) {
    key(name);
    if (report_.json) out_ << value;
    else out_ << (value ? "yes" : "no");
    return *this;
}

ReportLine& ReportLine::hex(std::string_view name, std::uint64_t value) {
    key(name);
    if (report_.json) out_ << '"';
    out_.hex(value, 16);
    if (report_.json) out_ << '"';
    return *this;
}

// What is not plain text is escaped alike in both forms; words alone go without quotes where people read.
ReportLine& ReportLine::text(std::string_view name, std::string_view value) {
    key(name);
    value = value.substr(0, plain_bytes_max);
    bool all_plain = true;
    for (const char c : value) all_plain &= plain(c);
    if (!all_plain) value = value.substr(0, escaped_bytes_max);
    const bool quoted = report_.json || value.empty() || !all_plain;
    if (quoted) out_ << '"';
    for (const char c : value) {
        if (plain(c) || c == ' ') {
            out_ << c;
        } else if (c == '"' || c == '\\') {
            out_ << '\\' << c;
        } else {
            out_ << "\\u";
            out_.hex(static_cast<std::uint8_t>(c), 4);
        }
    }
    if (quoted) out_ << '"';
    return *this;
}

ReportLine& ReportLine::uuid(std::string_view name, const Uuid& value) {
    key(name);
    if (report_.json) out_ << '"';
    out_ << value;
    if (report_.json) out_ << '"';
    return *this;
}

}  // namespace rivulet::store
