#include "config/value.h"

#include <algorithm>

#include "env/address.h"

namespace rivulet::config {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t factor;
};
constexpr Unit size_units[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}};
constexpr Unit duration_units[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

bool is_duration(KeyType type) { return type == KeyType::duration || type == KeyType::milliseconds; }
bool is_size(KeyType type) { return type == KeyType::size || type == KeyType::bytes; }

std::span<const Unit> units_of(KeyType type) {
    if (is_duration(type)) return duration_units;
    if (is_size(type)) return size_units;
    return {};
}

// A number and its unit. Saturates, so that what is far too large is out of range and not a number that it is not.
bool parse_quantity(KeyType type, std::string_view text, std::int64_t& value) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    if (error == std::errc::invalid_argument) return false;
    if (error == std::errc::result_out_of_range) value = text.front() == '-' ? -most : most;
    const std::string_view unit(end, static_cast<std::size_t>(last - end));
    // A plain number is fine but for our own durations, where 10 could be seconds to one and milliseconds to another.
    if (unit.empty()) return type != KeyType::duration || value == 0;
    for (const Unit& u : units_of(type)) {
        if (u.name != unit) continue;
        if (__builtin_mul_overflow(value, u.factor, &value)) value = text.front() == '-' ? -most : most;
        return true;
    }
    return false;
}

// 0, 1, 0.5, .125: further digits are cut. False: none of these.
bool parse_ratio(std::string_view text, std::int64_t& value) {
    const std::size_t dot = text.find('.');
    const std::string_view whole = text.substr(0, dot);
    std::string_view part = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
    if ((whole.empty() && part.empty()) || whole.size() > 6) return false;
    value = 0;
    for (const char c : whole) {
        if (c < '0' || c > '9') return false;
        value = value * 10 + (c - '0');
    }
    for (std::size_t i = 0; i < std::max<std::size_t>(3, part.size()); ++i) {
        const char c = i < part.size() ? part[i] : '0';
        if (c < '0' || c > '9') return false;
        if (i < 3) value = value * 10 + (c - '0');
    }
    return true;
}

void print_ratio(std::int64_t value, Text& out) {
    out << value / 1000;
    if (value % 1000 == 0) return;
    out << '.';
    for (std::int64_t part = value % 1000; part != 0; part = part % 100 * 10) out << part / 100;
}

std::size_t choices_open(const Key& key) {
    std::size_t n = 0;
    for (const Choice& choice : key.choices) n += choice.refused.empty();
    return n;
}

void print_choices(const Key& key, Text& out) {
    std::size_t left = choices_open(key);
    for (const Choice& choice : key.choices) {
        if (!choice.refused.empty()) continue;
        out << choice.name;
        --left;
        if (left > 0) out << (left == 1 ? " or " : ", ");
    }
}

void say_syntax(const Key& key, Text& why) {
    if (is_duration(key.type)) why << "not a duration, which is a number and ms, s, m, h or d";
    else if (is_size(key.type)) why << "not a size, which is a number and K, M or G";
    else if (key.type == KeyType::ratio) why << "not a number like 0.5";
    else why << "not a whole number";
    if (key.type == KeyType::milliseconds) why << ", or milliseconds";
    if (key.special != no_special) why << ", or " << key.special_name;
}

Status parse_number(const Key& key, std::string_view text, std::int64_t& value, Text& why) {
    if (key.type == KeyType::choice) {
        for (const Choice& choice : key.choices) {
            if (choice.name != text) continue;
            if (!choice.refused.empty()) {
                why << choice.refused;
                return fail(Error::unsupported);
            }
            value = choice.value;
            return {};
        }
        why << "must be ";
        print_choices(key, why);
        return fail(Error::invalid_config);
    }
    if (key.special != no_special && text == key.special_name) {
        value = key.special;
        return {};
    }
    if (!(key.type == KeyType::ratio ? parse_ratio(text, value) : parse_quantity(key.type, text, value))) {
        say_syntax(key, why);
        return fail(Error::invalid_config);
    }
    if (in_bounds(key, value)) return {};
    if (value > key.maximum && !key.above.empty()) {
        why << key.above;
        return fail(Error::unsupported);
    }
    const bool inside = value >= key.minimum && value <= key.maximum;
    why << (inside ? "must be a power of two" : "out of range, ");
    if (!inside) print_domain(key, why);
    return fail(Error::invalid_config);
}

Status check_text(const Key& key, std::string_view text, Text& why) {
    if (text.size() > key.access.text_capacity) why << "longer than " << key.access.text_capacity << " bytes";
    else if (text.empty() && key.minimum > 0) why << "must not be empty";
    else if (key.type == KeyType::address && !env::parse_address(text)) why << "not an address with its port, like 0.0.0.0:9192 or [::]:9192";
    else if (key.type == KeyType::endpoint && !text.empty() && !env::parse_endpoint(text)) why << "not HOST:PORT";
    else return {};
    return fail(Error::invalid_config);
}

}  // namespace

bool in_bounds(const Key& key, std::int64_t value) {
    if (key.type == KeyType::choice) {
        for (const Choice& choice : key.choices) {
            if (choice.value == value) return choice.refused.empty();
        }
        return false;
    }
    // Kafka's -1 is a number, ours are words alone.
    if (key.special != no_special && value == key.special) return key.type == KeyType::milliseconds || key.type == KeyType::bytes;
    if (value < key.minimum || value > key.maximum) return false;
    return !key.power_of_two || (value & (value - 1)) == 0;
}

Status assign(const Key& key, void* object, std::string_view text, Text& why) {
    if (key.is_text()) {
        RIVULET_TRY(check_text(key, text, why));
        RIVULET_CHECK(key.access.set_text(object, text));
        return {};
    }
    std::int64_t value = 0;
    RIVULET_TRY(parse_number(key, text, value, why));
    key.access.set(object, value);
    return {};
}

void assign_default(const Key& key, void* object) {
    char buffer[128];
    Text why(buffer);
    RIVULET_CHECK(assign(key, object, key.default_text, why).ok());
}

void assign_defaults(std::span<const Key> keys, void* object) {
    for (const Key& key : keys) assign_default(key, object);
}

void print_number(const Key& key, std::int64_t value, Text& out) {
    if (key.special != no_special && value == key.special) {
        out << key.special_name;
        return;
    }
    if (key.type == KeyType::choice || key.type == KeyType::ratio) {
        print_plain(key, value, out);
        return;
    }
    if (value != 0) {
        for (const Unit& unit : units_of(key.type)) {
            if (value % unit.factor != 0) continue;
            out << value / unit.factor << unit.name;
            return;
        }
    }
    out << value;
}

void print_plain(const Key& key, std::int64_t value, Text& out) {
    if (key.type == KeyType::ratio) return print_ratio(value, out);
    if (key.type != KeyType::choice) {
        out << value;
        return;
    }
    for (const Choice& choice : key.choices) {
        if (choice.value != value) continue;
        out << choice.name;
        return;
    }
}

void print_value(const Key& key, const void* object, Text& out) {
    if (key.is_text()) out << key.access.get_text(object);
    else print_number(key, key.access.get(object), out);
}

void print_domain(const Key& key, Text& out) {
    switch (key.type) {
    case KeyType::choice:
        if (choices_open(key) == 1) out << "only ";
        print_choices(key, out);
        return;
    case KeyType::text: out << (key.minimum > 0 ? "a path" : "a path or nothing"); return;
    case KeyType::address: out << "IP:PORT"; return;
    case KeyType::endpoint: out << "HOST:PORT or nothing"; return;
    default: break;
    }
    print_number(key, key.minimum, out);
    if (key.maximum != key.minimum) {
        out << " to ";
        print_number(key, key.maximum, out);
    } else {
        out << " only";
    }
    if (key.power_of_two) out << ", a power of two";
    if (key.special != no_special) out << ", or " << key.special_name;
}

void copy_value(const Key& key, const void* from, void* to) {
    if (key.is_text()) RIVULET_CHECK(key.access.set_text(to, key.access.get_text(from)));
    else key.access.set(to, key.access.get(from));
}

bool same_value(const Key& key, const void* a, const void* b) {
    if (key.is_text()) return key.access.get_text(a) == key.access.get_text(b);
    return key.access.get(a) == key.access.get(b);
}

}  // namespace rivulet::config
