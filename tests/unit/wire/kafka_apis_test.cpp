#include "wire/kafka/apis.h"

#include <doctest/doctest.h>

#include <vector>

using namespace rivulet;
using namespace rivulet::wire::kafka;

namespace {

using Buffer = std::vector<std::uint8_t>;

}  // namespace

TEST_CASE("kafka apis: ascending, and found by key") {
    std::int16_t previous = -1;
    for (const ApiInfo& info : apis()) {
        const auto key = static_cast<std::int16_t>(info.api);
        CHECK(key > previous);
        CHECK(info.lowest <= info.highest);
        CHECK(find_api(key) == &info);
        previous = key;
    }
    CHECK_FALSE(find_api(4));
    CHECK_FALSE(find_api(-1));
}

TEST_CASE("kafka apis: request headers in both forms, the client id short in each") {
    const Buffer plain{0, 3, 0, 8, 0, 0, 0, 7, 0, 2, 'm', 'e', 0x55};
    const Result<RequestHeader> first = decode_request_header(plain);
    REQUIRE(first);
    CHECK(first.value().api == Api::metadata);
    CHECK(first.value().version == 8);
    CHECK(first.value().correlation == 7);
    CHECK(first.value().client == "me");
    CHECK_FALSE(first.value().flexible);
    CHECK(first.value().bytes == 12);
    const Buffer flexible{0, 3, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 1, 4, 1, 'x', 0x55};
    const Result<RequestHeader> second = decode_request_header(flexible);
    REQUIRE(second);
    CHECK(second.value().flexible);
    CHECK_FALSE(second.value().client.has_value());
    CHECK(second.value().bytes == 14);
    for (std::size_t size = 0; size < 12; ++size) CHECK(decode_request_header(Bytes(plain).first(size)).error() == Error::malformed);
    for (std::size_t size = 0; size < 14; ++size) {
        const Buffer exact(flexible.begin(), flexible.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(decode_request_header(exact).error() == Error::malformed);
    }
}

TEST_CASE("kafka apis: unknown keys and versions are refused, but for ApiVersions, whose header alone is read") {
    CHECK(decode_request_header(Buffer{0, 4, 0, 0, 0, 0, 0, 1, 0xff, 0xff}).error() == Error::unsupported_version);
    CHECK(decode_request_header(Buffer{0, 3, 0, 13, 0, 0, 0, 1, 0xff, 0xff, 0}).error() == Error::unsupported_version);
    CHECK(decode_request_header(Buffer{0, 3, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff}).error() == Error::unsupported_version);
    const Result<RequestHeader> newer = decode_request_header(Buffer{0, 18, 0, 99, 0, 0, 0, 1});
    REQUIRE(newer);
    CHECK_FALSE(newer.value().served);
    CHECK_FALSE(newer.value().flexible);
    CHECK(newer.value().correlation == 1);
    CHECK(newer.value().bytes == request_head_bytes);
}

TEST_CASE("kafka apis: what is begun as a request is read as one; a response's header is flexible, but for ApiVersions") {
    for (const ApiInfo& info : apis()) {
        for (std::int16_t version = info.lowest; version <= info.highest; ++version) {
            Buffer buffer(64);
            Writer out(buffer);
            begin_request(out, info.api, version, 77, "client");
            finish_frame(out, 0, 5);
            CHECK(load_be<std::int32_t>(buffer.data()) == static_cast<std::int32_t>(out.size() - 4 + 5));
            const Result<RequestHeader> header = decode_request_header(out.written().subspan(4));
            REQUIRE(header);
            CHECK(header.value().api == info.api);
            CHECK(header.value().version == version);
            CHECK(header.value().client == "client");
            CHECK(header.value().bytes == out.size() - 4);
            out.rewind(0);
            begin_response(out, header.value());
            CHECK(out.size() == (info.flexible(version) && info.api != Api::api_versions ? 9U : 8U));
        }
    }
}
