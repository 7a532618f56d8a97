#include <doctest/doctest.h>

#include "base/siphash.h"

namespace rivulet {

namespace {

Hash128 hash_of(std::size_t bytes, std::size_t piece) {
    std::uint8_t in[64];
    for (std::size_t i = 0; i < sizeof in; ++i) in[i] = static_cast<std::uint8_t>(i);
    SipHash128 hash(0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL);
    for (std::size_t at = 0; at < bytes; at += piece) hash.update(Bytes(in).subspan(at, piece < bytes - at ? piece : bytes - at));
    return hash.finish();
}

}  // namespace

TEST_CASE("siphash: the vectors of its authors, in whatever pieces the bytes come") {
    // vectors_sip128 of the reference code: key 00 to 0f, input 00, 01, 02, ...
    CHECK(hash_of(0, 1) == Hash128{0xe6a825ba047f81a3ULL, 0x930255c71472f66dULL});
    CHECK(hash_of(1, 1) == Hash128{0x44af996bd8c187daULL, 0x45fc229b11597634ULL});
    for (std::size_t bytes = 1; bytes < 64; bytes += 5)
        for (const std::size_t piece : {1U, 3U, 8U, 13U}) CHECK(hash_of(bytes, piece) == hash_of(bytes, bytes));
    CHECK(!(hash_of(15, 15) == hash_of(16, 16)));
}

}  // namespace rivulet
