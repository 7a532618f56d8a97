// Lines of the offline tools: `kind key=value key=value…`, or one JSON object per line (JSON Lines), so that a store of any size
// is reported in constant memory.
// Owns:     a line of 2 KiB on the stack. Bounds: names from the store are cut at 249 characters, so no line overflows.
#pragma once

#include "base/text.h"
#include "base/uuid.h"

namespace rivulet::store {

class LineSink {
public:
    // One line without its end.
    virtual void line(std::string_view text) = 0;

protected:
    ~LineSink() = default;
};

struct Report {
    LineSink& sink;
    bool json = false;
};

// Goes out when it is destroyed.
class ReportLine {
public:
    ReportLine(const Report& report, std::string_view kind);
    ~ReportLine();
    ReportLine(const ReportLine&) = delete;
    ReportLine& operator=(const ReportLine&) = delete;

    template <std::integral N>
    ReportLine& number(std::string_view key, N value) {
        this->key(key);
        out_ << value;
        return *this;
    }
    ReportLine& flag(std::string_view key, bool value);
    ReportLine& hex(std::string_view key, std::uint64_t value);  // a string in JSON, where numbers of 64 bits are not safe
    ReportLine& text(std::string_view key, std::string_view value);
    ReportLine& uuid(std::string_view key, const Uuid& value);

private:
    void key(std::string_view name);

    const Report& report_;
    char buffer_[2048];
    Text out_{buffer_};
};

}  // namespace rivulet::store
