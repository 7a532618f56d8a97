#include "base/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rivulet {

namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // reflected

constexpr auto make_tables() {
    std::array<std::array<std::uint32_t, 256>, 8> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t c = i;
        for (int k = 0; k < 8; ++k) c = (c & 1U) ? (c >> 1) ^ polynomial : c >> 1;
        t[0][i] = c;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t i = 0; i < 256; ++i) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xffU];
    return t;
}
constexpr auto tables = make_tables();

// Slicing-by-8 (Kounavis and Berry, 2005).
std::uint32_t update_tables(std::uint32_t c, const std::uint8_t* p, std::size_t n) {
    for (; n >= 8; p += 8, n -= 8) {
        const std::uint32_t lo = c ^ load_le<std::uint32_t>(p);
        const std::uint32_t hi = load_le<std::uint32_t>(p + 4);
        c = tables[7][lo & 0xffU] ^ tables[6][(lo >> 8) & 0xffU] ^ tables[5][(lo >> 16) & 0xffU] ^ tables[4][lo >> 24] ^
            tables[3][hi & 0xffU] ^ tables[2][(hi >> 8) & 0xffU] ^ tables[1][(hi >> 16) & 0xffU] ^ tables[0][hi >> 24];
    }
    for (; n != 0; ++p, --n) c = tables[0][(c ^ *p) & 0xffU] ^ (c >> 8);
    return c;
}

// a x b modulo the polynomial, both reflected, over GF(2).
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
    std::uint32_t product = 0;
    for (; a != 0; a <<= 1) {
        product ^= b & (0U - (a >> 31));
        b = (b >> 1) ^ (polynomial & (0U - (b & 1U)));
    }
    return product;
}

// x^(8 * 2^k): what appending 2^k zero bytes multiplies by.
constexpr auto make_powers() {
    std::array<std::uint32_t, 64> p{};
    p[0] = 0x80000000U >> 8;
    for (std::size_t k = 1; k < p.size(); ++k) p[k] = multiply(p[k - 1], p[k - 1]);
    return p;
}
constexpr auto powers = make_powers();

#if defined(__x86_64__)
// ---- crc32: SSE 4.2 ----

constexpr unsigned lane_bits = 8;
constexpr std::size_t lane_bytes = 1U << lane_bits;

// By byte of a sum: what lane_bytes zeros behind it make of that.
constexpr auto make_lane_tables() {
    std::array<std::array<std::uint32_t, 256>, 4> t{};
    for (std::size_t k = 0; k < t.size(); ++k)
        for (std::uint32_t i = 0; i < 256; ++i) t[k][i] = multiply(i << (8 * k), powers[lane_bits]);
    return t;
}
constexpr auto lane_tables = make_lane_tables();

std::uint32_t past_lane(std::uint32_t c) {
    return lane_tables[0][c & 0xffU] ^ lane_tables[1][(c >> 8) & 0xffU] ^ lane_tables[2][(c >> 16) & 0xffU] ^ lane_tables[3][c >> 24];
}

// The instruction takes three cycles, and one can begin in each: three lanes side by side (Gopal et al., Intel, 2011).
__attribute__((target("sse4.2"))) std::uint32_t update_sse42(std::uint32_t c, const std::uint8_t* p, std::size_t n) {
    for (; n >= 3 * lane_bytes; p += 3 * lane_bytes, n -= 3 * lane_bytes) {
        std::uint64_t first = c;
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (std::size_t i = 0; i < lane_bytes; i += 8) {
            first = _mm_crc32_u64(first, load_le<std::uint64_t>(p + i));
            second = _mm_crc32_u64(second, load_le<std::uint64_t>(p + lane_bytes + i));
            third = _mm_crc32_u64(third, load_le<std::uint64_t>(p + 2 * lane_bytes + i));
        }
        c = past_lane(past_lane(static_cast<std::uint32_t>(first)) ^ static_cast<std::uint32_t>(second)) ^ static_cast<std::uint32_t>(third);
    }
    std::uint64_t wide = c;
    for (; n >= 8; p += 8, n -= 8) wide = _mm_crc32_u64(wide, load_le<std::uint64_t>(p));
    c = static_cast<std::uint32_t>(wide);
    if ((n & 4U) != 0) c = _mm_crc32_u32(c, load_le<std::uint32_t>(p));
    p += n & 4U;
    if ((n & 2U) != 0) c = _mm_crc32_u16(c, load_le<std::uint16_t>(p));
    p += n & 2U;
    if ((n & 1U) != 0) c = _mm_crc32_u8(c, *p);
    return c;
}

// ---- carry-less multiplication of 32 bytes at once: AVX2 and VPCLMULQDQ ----

constexpr std::size_t folded_bytes = 128;  // four registers

// What fold() multiplies by to move a sum by so many bits: x^(bits - 1), since the product of two reflected numbers comes out shifted by one.
constexpr long long factor(unsigned bits) {
    std::uint32_t power = 0x80000000U;
    for (unsigned i = 1; i < bits; ++i) power = (power >> 1) ^ (polynomial & (0U - (power & 1U)));
    return static_cast<long long>(std::uint64_t{power} << 32);
}

__attribute__((target("avx2"))) __m256i load_32(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

__attribute__((target("avx2"))) __m256i factors(long long low, long long high) { return _mm256_set_epi64x(high, low, high, low); }

// `sum`, moved by what `by` says, and `next`, which lies there.
__attribute__((target("avx2,vpclmulqdq"))) __m256i fold(__m256i sum, __m256i by, __m256i next) {
    return _mm256_xor_si256(_mm256_xor_si256(_mm256_clmulepi64_epi128(sum, by, 0x00), _mm256_clmulepi64_epi128(sum, by, 0x11)), next);
}

// Folding (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel, 2009), with four sums side by side; n >= folded_bytes.
__attribute__((target("avx2,vpclmulqdq,sse4.2"))) std::uint32_t update_folding(std::uint32_t c, const std::uint8_t* p, std::size_t n) {
    static constexpr long long by_1024[] = {factor(1024 + 64), factor(1024)};
    static constexpr long long by_256[] = {factor(256 + 64), factor(256)};
    static constexpr long long by_128[] = {factor(128 + 64), factor(128)};
    __m256i sums[4] = {load_32(p), load_32(p + 32), load_32(p + 64), load_32(p + 96)};
    sums[0] = _mm256_xor_si256(sums[0], _mm256_set_epi64x(0, 0, 0, c));
    const __m256i far = factors(by_1024[0], by_1024[1]);
    for (p += folded_bytes, n -= folded_bytes; n >= folded_bytes; p += folded_bytes, n -= folded_bytes) {
        sums[0] = fold(sums[0], far, load_32(p));
        sums[1] = fold(sums[1], far, load_32(p + 32));
        sums[2] = fold(sums[2], far, load_32(p + 64));
        sums[3] = fold(sums[3], far, load_32(p + 96));
    }
    const __m256i near = factors(by_256[0], by_256[1]);
    const __m256i sum = fold(fold(fold(sums[0], near, sums[1]), near, sums[2]), near, sums[3]);
    // The first half, moved behind the second: only that half of the result counts.
    const __m256i swapped = _mm256_permute2x128_si256(sum, sum, 0x01);
    const __m256i last = fold(sum, factors(by_128[0], by_128[1]), swapped);
    const std::uint64_t first_8 = static_cast<std::uint64_t>(_mm256_extract_epi64(last, 0));
    const std::uint64_t second_8 = static_cast<std::uint64_t>(_mm256_extract_epi64(last, 1));
    _mm256_zeroupper();  // some processors are slow with what is left there
    return update_sse42(static_cast<std::uint32_t>(_mm_crc32_u64(_mm_crc32_u64(0, first_8), second_8)), p, n);
}
#endif

// Fewer zeros than these are hashed faster than multiplied; a batch of one reading is about that long.
constexpr unsigned zeros_bits = 8;
constexpr std::uint8_t zeros[1U << zeros_bits] = {};

std::uint32_t update_by([[maybe_unused]] Crc32cMethod method, std::uint32_t c, Bytes bytes) {
#if defined(__x86_64__)
    if (method == Crc32cMethod::folding && bytes.size() >= folded_bytes) return update_folding(c, bytes.data(), bytes.size());
    if (method != Crc32cMethod::tables) return update_sse42(c, bytes.data(), bytes.size());
#endif
    return update_tables(c, bytes.data(), bytes.size());
}

std::uint32_t update(std::uint32_t c, Bytes bytes) {
    for (const Crc32cMethod method : {Crc32cMethod::folding, Crc32cMethod::instruction})
        if (crc32c_has(method)) return update_by(method, c, bytes);
    return update_by(Crc32cMethod::tables, c, bytes);
}

}  // namespace

bool crc32c_has(Crc32cMethod method) {
#if defined(__x86_64__)
    if (method == Crc32cMethod::instruction) return __builtin_cpu_supports("sse4.2") != 0;
    if (method == Crc32cMethod::folding) return crc32c_has(Crc32cMethod::instruction) && __builtin_cpu_supports("vpclmulqdq") != 0 && __builtin_cpu_supports("avx2") != 0;
#endif
    return method == Crc32cMethod::tables;
}

std::uint32_t crc32c_by(Crc32cMethod method, Bytes bytes, std::uint32_t crc) { return ~update_by(method, ~crc, bytes); }

std::uint32_t crc32c(Bytes bytes, std::uint32_t crc) { return ~update(~crc, bytes); }

std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b) {
    std::uint32_t shifted = update(crc_a, Bytes(zeros).first(static_cast<std::size_t>(length_b) & (sizeof zeros - 1)));
    length_b >>= zeros_bits;
    for (unsigned k = zeros_bits; length_b != 0; length_b >>= 1, ++k)
        if ((length_b & 1U) != 0) shifted = multiply(shifted, powers[k]);
    return shifted ^ crc_b;
}

}  // namespace rivulet
