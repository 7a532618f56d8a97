#include <chrono>

#include "cli/group.h"

namespace rivulet::cli {

namespace {

class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}
    bool ok() const { return ok_; }
    bool at_end() const { return text_.empty(); }
    bool has(char c) const { return !text_.empty() && text_.front() == c; }
    bool take(char c) {
        if (!has(c)) return false;
        text_.remove_prefix(1);
        return true;
    }
    void need(char c) { ok_ &= take(c); }
    // Exactly so many digits, a number of at most `most`.
    int number(std::size_t digits, int most) {
        int n = 0;
        for (std::size_t i = 0; i < digits; ++i) {
            if (text_.empty() || text_.front() < '0' || text_.front() > '9') return ok_ = false, 0;
            n = n * 10 + (text_.front() - '0');
            text_.remove_prefix(1);
        }
        ok_ &= n <= most;
        return n;
    }

private:
    std::string_view text_;
    bool ok_ = true;
};

}  // namespace

std::optional<std::int64_t> parse_moment(std::string_view text) {
    namespace chrono = std::chrono;
    Scanner in(text);
    const int year = in.number(4, 9999);
    in.need('-');
    const int month = in.number(2, 12);
    in.need('-');
    const int day = in.number(2, 31);
    const chrono::year_month_day date{chrono::year(year), chrono::month(static_cast<unsigned>(month)), chrono::day(static_cast<unsigned>(day))};
    if (!in.ok() || !date.ok()) return std::nullopt;
    std::int64_t ms = std::int64_t{chrono::sys_days(date).time_since_epoch().count()} * 86'400'000;
    if (in.take('T')) {
        ms += in.number(2, 23) * std::int64_t{3'600'000};
        in.need(':');
        ms += in.number(2, 59) * std::int64_t{60'000};
        if (in.take(':')) ms += in.number(2, 59) * 1000;
        if (in.take('.')) ms += in.number(3, 999);
        const bool east = in.has('+');
        if (in.take('+') || in.take('-')) {
            std::int64_t minutes = in.number(2, 14) * 60;
            in.take(':');
            minutes += in.number(2, 59);
            ms += (east ? -minutes : minutes) * 60'000;
        } else {
            in.take('Z');
        }
    }
    return in.ok() && in.at_end() ? std::optional(ms) : std::nullopt;
}

}  // namespace rivulet::cli
