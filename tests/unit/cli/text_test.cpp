// What the command line writes and reads as text: JSON, tables, sizes, formats, lines.
#include <doctest/doctest.h>

#include <algorithm>

#include "cli/group.h"
#include "cli/json.h"
#include "cli/line_buffer.h"
#include "cli/output.h"
#include "cli/record_format.h"
#include "cli/table.h"
#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::cli;

TEST_CASE("json: nesting, escapes, bytes that are not UTF-8") {
    Json json;
    json.object().pair("a", 1).pair("b", "x").key("c").array().value(true).value(-5).null().object().end().array().end().end().pair("d", false).end();
    CHECK(json.text() == R"({"a":1,"b":"x","c":[true,-5,null,{},[]],"d":false})");
    const auto text = [](std::string_view s) { return Json().value(s).text(); };
    CHECK(text("q\" b\\ n\n t\t \x01 \x7f") == R"("q\" b\\ n\n t\t \u0001 \u007f")");
    CHECK(text("grüße € \xf0\x9f\x8c\x8a") == "\"grüße € \xf0\x9f\x8c\x8a\"");
    const std::string bad = "\xef\xbf\xbd";
    CHECK(text("\xff") == "\"" + bad + "\"");
    CHECK(text("a\xc3") == "\"a" + bad + "\"");
    CHECK(text("\xc0\xaf") == "\"" + bad + bad + "\"");
    CHECK(text("\xed\xa0\x80") == "\"" + bad + bad + bad + "\"");
    CHECK(text("\xf4\x90\x80\x80") == "\"" + bad + bad + bad + bad + "\"");
}

TEST_CASE("table: columns as wide as they must be, no spaces at line ends") {
    Table table;
    table.column("NAME").column("N", Table::Align::right).column("NOTE");
    CHECK(table.empty());
    table.cell("temps").cell(4).cell("").cell("a").cell(12345).cell("x");
    CHECK(table.text() == "NAME       N  NOTE\n"
                          "temps      4\n"
                          "a      12345  x\n");
}

TEST_CASE("sizes for people") {
    CHECK(size_text(0) == "0");
    CHECK(size_text(1023) == "1023");
    CHECK(size_text(1024) == "1K");
    CHECK(size_text(1536) == "1.5K");
    CHECK(size_text(200 << 10) == "200K");
    CHECK(size_text(std::uint64_t{3} << 30) == "3G");
}

TEST_CASE("failures in words") {
    CHECK(explain(fail(Error::no_space, 28)) == "no space left on device");
    CHECK(explain(fail(Error::io, 5)) == "input/output error (errno 5)");
}

TEST_CASE("record format: fields and escapes") {
    record::Record record;
    record.has_key = record.has_value = true;
    record.key = as_bytes("k1");
    record.value = as_bytes("21.5");
    std::uint8_t raw[64];
    Writer headers(raw);
    record::encode_record_header(headers, {as_bytes("unit"), true, as_bytes("C")});
    record::encode_record_header(headers, {as_bytes("raw"), false, {}});
    record.headers_raw = headers.written();
    record.header_count = 2;
    const client::FetchedRecord fetched{Offset(17), Timestamp(1000), record};
    const auto print = [&](std::string_view text) {
        RecordFormat format;
        std::string problem, out;
        if (!format.parse(text, problem)) return "problem: " + problem;
        format.print(out, "temps", 3, fetched);
        return out;
    };
    CHECK(print("%t %p %o %k=%v %s %T %h %K %V %%") == "temps 3 17 k1=21.5 21.5 1000 unit=C,raw=NULL 2 4 %");
    CHECK(print("a\\n\\t\\\\\\x41\\r") == "a\n\t\\A\r");
    CHECK(print("\\0") == std::string(1, '\0'));
    CHECK(print("") == "");
    CHECK(print("%z").starts_with("problem: unknown %z"));
    CHECK(print("%").starts_with("problem: unknown %"));
    CHECK(print("\\q").starts_with("problem: unknown escape \\q"));
    CHECK(print("\\x4").starts_with("problem: unknown escape"));
    RecordFormat usual;
    std::string out;
    usual.print(out, "t", 0, fetched);
    CHECK(out == "21.5\n");
    const auto json = [&](const client::FetchedRecord& one) {
        RecordFormat format;
        format.use_json();
        std::string text;
        format.print(text, "temps", 3, one);
        return text;
    };
    CHECK(json(fetched) == R"({"topic":"temps","partition":3,"offset":17,"timestamp":1000,"key":"k1","value":"21.5",)"
                           R"("headers":[{"name":"unit","value":"C"},{"name":"raw","value":null}]})" "\n");
    record.header_count = 0;
    record.headers_raw = {};
    const auto value = [&](std::string_view bytes) {
        record.value = as_bytes(bytes);
        const std::string text = json({Offset(17), Timestamp(1000), record});
        return text.substr(text.find("\"value"), text.find(",\"headers") - text.find("\"value"));
    };
    CHECK(value("") == R"("value":"")");
    CHECK(value("\"grüße\"") == R"("value":"\"grüße\"")");
    CHECK(value("\xff") == R"("value_base64":"/w==")");
    CHECK(value("a\xff") == R"("value_base64":"Yf8=")");
    CHECK(value("a\xff\xfe") == R"("value_base64":"Yf/+")");
    CHECK(value("a\xff\xfe\xfd") == R"("value_base64":"Yf/+/Q==")");
    record.has_key = record.has_value = false;
    record.key = record.value = {};
    CHECK(json({Offset(0), Timestamp(-1), record}) == R"({"topic":"temps","partition":3,"offset":0,"timestamp":null,"key":null,"value":null,"headers":[]})" "\n");
    out.clear();
    std::string problem;
    REQUIRE(usual.parse("%K %V", problem));
    usual.print(out, "t", 0, {Offset(0), Timestamp(-1), record});
    CHECK(out == "-1 -1");
}

TEST_CASE("line buffer: lines however the bytes are cut") {
    const std::string text = "one\n\ntwo\r\n" + std::string(300, 'x') + "\n\r\nlast without end";
    const std::vector<std::string> expected = {"one", "", "two", std::string(300, 'x'), "", "last without end"};
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        test::Random random(seed);
        LineBuffer lines(300);
        std::vector<std::string> got;
        for (std::size_t at = 0; at < text.size();) {
            const MutableBytes space = lines.space();
            REQUIRE_FALSE(space.empty());
            const std::size_t n = std::min({text.size() - at, space.size(), 1 + random.below(seed % 2 == 0 ? 3 : 400)});
            copy(as_bytes(text).subspan(at, n), space);
            lines.added(n);
            at += n;
            while (const auto line = lines.line()) {
                if (random.below(4) == 0) break;  // not now
                got.emplace_back(*line);
                lines.drop();
            }
            CHECK_FALSE(lines.too_long());
        }
        lines.finish();
        while (const auto line = lines.line()) {
            got.emplace_back(*line);
            lines.drop();
        }
        CHECK(got == expected);
        CHECK(lines.at_end());
    }
}

TEST_CASE("line buffer: much data in a small buffer, and lines that are too long") {
    LineBuffer lines(100);
    std::size_t count = 0;
    std::string pattern;
    for (int i = 0; i < 997; ++i) pattern += std::to_string(i % 89) + "\n";
    for (int round = 0; round < 500; ++round) {
        std::size_t at = 0;
        while (at < pattern.size()) {
            const MutableBytes space = lines.space();
            const std::size_t n = std::min(space.size(), pattern.size() - at);
            copy(as_bytes(pattern).subspan(at, n), space);
            lines.added(n);
            at += n;
            while (const auto line = lines.line()) {
                REQUIRE(*line == std::to_string(count % 997 % 89));
                ++count;
                lines.drop();
            }
        }
    }
    CHECK(count == 500 * 997);
    const std::string longest(101, 'y');
    copy(as_bytes(longest), lines.space());
    lines.added(longest.size());
    CHECK_FALSE(lines.line());
    CHECK_FALSE(lines.too_long());
    lines.space()[0] = 'y';
    lines.added(1);
    CHECK_FALSE(lines.line());
    CHECK(lines.too_long());
}

TEST_CASE("moments: dates, times of day, zones, and what is none") {
    CHECK(parse_moment("1970-01-01") == 0);
    CHECK(parse_moment("2023-11-14T22:13:20") == 1'700'000'000'000);
    CHECK(parse_moment("2023-11-14T22:13:20Z") == 1'700'000'000'000);
    CHECK(parse_moment("2023-11-14T22:13:20.123") == 1'700'000'000'123);
    CHECK(parse_moment("2023-11-14T23:13:20+01:00") == 1'700'000'000'000);
    CHECK(parse_moment("2023-11-14T16:43:20-0530") == 1'700'000'000'000);
    CHECK(parse_moment("2024-02-29T00:00") == 1'709'164'800'000);
    CHECK(parse_moment("1969-12-31T23:59:59.999") == -1);
    for (const std::string_view wrong : {"", "2023", "2023-02-29", "2023-13-01", "2023-00-01", "2023-01-00", "2023-1-1", "2023-11-14T", "2023-11-14T24:00", "2023-11-14T10:60", "2023-11-14T10:00:60",
                                         "2023-11-14T10:00:00.5", "2023-11-14 10:00", "2023-11-14T10:00x", "2023-11-14T10:00+15:00", "2023-11-14T10:00Z+01:00", "2023-11-14Z", "1700000000000"})
        CHECK_MESSAGE(!parse_moment(wrong), wrong);
}
