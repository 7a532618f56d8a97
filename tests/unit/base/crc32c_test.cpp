#include "base/crc32c.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "unit/base/random.h"

using namespace rivulet;

namespace {

std::vector<std::uint8_t> random_bytes(test::Random& random, std::size_t n) {
    std::vector<std::uint8_t> bytes(n);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
    return bytes;
}

std::vector<Crc32cMethod> methods() {
    std::vector<Crc32cMethod> found;
    for (const Crc32cMethod method : {Crc32cMethod::tables, Crc32cMethod::instruction, Crc32cMethod::folding})
        if (crc32c_has(method)) found.push_back(method);
    return found;
}

// The definition, bit by bit.
std::uint32_t slow(Bytes bytes) {
    std::uint32_t c = 0xffffffff;
    for (const std::uint8_t b : bytes) {
        c ^= b;
        for (int k = 0; k < 8; ++k) c = (c & 1U) ? (c >> 1) ^ 0x82f63b78U : c >> 1;
    }
    return ~c;
}

}  // namespace

TEST_CASE("crc32c: the examples of RFC 3720, appendix B.4") {
    std::vector<std::uint8_t> data(32, 0);
    CHECK(crc32c(data) == 0x8a9136aaU);
    data.assign(32, 0xff);
    CHECK(crc32c(data) == 0x62a8ab43U);
    for (std::size_t i = 0; i < 32; ++i) data[i] = static_cast<std::uint8_t>(i);
    CHECK(crc32c(data) == 0x46dd794eU);
    for (std::size_t i = 0; i < 32; ++i) data[i] = static_cast<std::uint8_t>(31 - i);
    CHECK(crc32c(data) == 0x113fdb5cU);
    CHECK(crc32c(as_bytes("123456789")) == 0xe3069283U);
    CHECK(crc32c({}) == 0);
}

TEST_CASE("crc32c: each way agrees with the definition, at every length and alignment") {
    for (const Crc32cMethod method : {Crc32cMethod::instruction, Crc32cMethod::folding})
        if (!crc32c_has(method)) MESSAGE("not compared, since this processor lacks it: way ", static_cast<int>(method));
    test::Random random(1);
    const auto data = random_bytes(random, 300);
    // About whole rounds of three lanes; of four folded registers by the way.
    const auto lanes = random_bytes(random, 3 * 768 + 16);
    const auto large = random_bytes(random, 100'003);
    for (std::size_t start = 0; start < 9; ++start)
        for (std::size_t n = 0; n + start <= data.size(); n += n < 40 || n > 110 ? 1 : 13) {
            const Bytes view = Bytes(data).subspan(start, n);
            const std::uint32_t want = slow(view);
            REQUIRE(crc32c(view) == want);
            for (const Crc32cMethod method : methods()) REQUIRE(crc32c_by(method, view) == want);
        }
    for (const Crc32cMethod method : methods()) {
        CAPTURE(static_cast<int>(method));
        for (std::size_t rounds = 1; rounds <= 3; ++rounds)
            for (std::size_t n = rounds * 768 - 9; n < rounds * 768 + 9; ++n) {
                const Bytes view = Bytes(lanes).subspan(rounds, n);
                REQUIRE(crc32c_by(method, view) == slow(view));
                REQUIRE(crc32c_by(method, view.subspan(5), crc32c_by(method, view.first(5))) == slow(view));
            }
        CHECK(crc32c_by(method, large) == slow(large));
    }
    CHECK(crc32c(large) == slow(large));
}

TEST_CASE("crc32c: continues over pieces") {
    test::Random random(2);
    for (int round = 0; round < 200; ++round) {
        const auto data = random_bytes(random, random.below(1000));
        for (const Crc32cMethod method : methods()) {
            std::uint32_t crc = 0;
            for (std::size_t at = 0; at < data.size();) {
                const std::size_t n = std::min<std::size_t>(data.size() - at, random.below(random.below(2) == 0 ? 40 : 400));
                crc = crc32c_by(method, Bytes(data).subspan(at, n), crc);
                at += n;
            }
            REQUIRE(crc == slow(data));
        }
    }
}

TEST_CASE("crc32c: combines") {
    test::Random random(3);
    for (int round = 0; round < 300; ++round) {
        const auto data = random_bytes(random, random.below(3000));
        const std::size_t cut = data.empty() ? 0 : random.below(data.size() + 1);
        const Bytes a = Bytes(data).first(cut);
        const Bytes b = Bytes(data).subspan(cut);
        REQUIRE(crc32c_combine(crc32c(a), crc32c(b), b.size()) == crc32c(data));
    }
    CHECK(crc32c_combine(0x12345678, 0, 0) == 0x12345678U);
    CHECK(crc32c_combine(0, 0x12345678, 1000) == 0x12345678U);
}

TEST_CASE("crc32c: combines over lengths that no test can hold") {
    // Zeros are shifts alone: n zero bytes and then m more are n + m, whatever the size.
    const std::uint32_t first = crc32c(as_bytes("abc"));
    const auto zeros = [](std::uint64_t n) {  // CRC of n zero bytes, by doubling
        const std::uint8_t zero = 0;
        std::uint32_t power = crc32c({&zero, 1});
        std::uint64_t length = 1;
        std::uint32_t crc = 0;
        for (; n != 0; n >>= 1) {
            if (n & 1U) crc = crc32c_combine(crc, power, length);
            power = crc32c_combine(power, power, length);
            length *= 2;
        }
        return crc;
    };
    CHECK(zeros(1000) == crc32c(std::vector<std::uint8_t>(1000)));
    const std::uint64_t n = 0x1'2345'6789;
    const std::uint64_t m = 0x2'0000'0001;
    const std::uint32_t at_once = crc32c_combine(first, zeros(n + m), n + m);
    CHECK(crc32c_combine(crc32c_combine(first, zeros(n), n), zeros(m), m) == at_once);
}
