#include "base/result.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "unit/base/death.h"

using namespace rivulet;

namespace {

Result<int> half(int n) {
    if (n % 2 != 0) return fail(Error::invalid_argument, n);
    return n / 2;
}

Status twice(int n, int& out) {
    RIVULET_TRY_ASSIGN(const int first, half(n));
    RIVULET_TRY_ASSIGN(out, half(first));
    return {};
}

Status checked(int n) {
    RIVULET_TRY(half(n));
    return {};
}

Result<std::unique_ptr<int>> owned(int n) { return std::make_unique<int>(n); }

}  // namespace

TEST_CASE("result: value or failure") {
    const Result<int> good = half(8);
    CHECK(good);
    CHECK(good.ok());
    CHECK(good.error() == Error::none);
    CHECK(*good == 4);

    const Result<int> bad = half(7);
    CHECK_FALSE(bad);
    CHECK(bad.error() == Error::invalid_argument);
    CHECK(bad.failure().detail == 7);

    const Status fine;
    CHECK(fine.ok());
    CHECK(fine.error() == Error::none);
    const Status not_fine = fail(Error::io, 5);
    CHECK_FALSE(not_fine.ok());
    CHECK(not_fine.failure().detail == 5);
}

TEST_CASE("result: the macros pass failures on and values out") {
    int out = 0;
    CHECK(twice(8, out).ok());
    CHECK(out == 2);
    CHECK(twice(6, out).failure().detail == 3);
    CHECK(twice(5, out).failure().detail == 5);
    CHECK(checked(2).ok());
    CHECK(checked(3).error() == Error::invalid_argument);
}

TEST_CASE("result: values that own something are destroyed once and move") {
    Result<std::unique_ptr<int>> a = owned(3);
    CHECK(**a == 3);
    Result<std::unique_ptr<int>> b = std::move(a);
    CHECK(**b == 3);
    b = owned(4);
    CHECK(**b == 4);
    b = Result<std::unique_ptr<int>>(fail(Error::busy));
    CHECK(b.error() == Error::busy);
    b = owned(5);
    const std::unique_ptr<int> taken = std::move(b).value();
    CHECK(*taken == 5);

    auto counter = std::make_shared<int>(1);
    {
        Result<std::shared_ptr<int>> one = counter;
        Result<std::shared_ptr<int>> two = one;
        CHECK(counter.use_count() == 3);
        Result<std::shared_ptr<int>>& alias = two;
        two = alias;
        CHECK(counter.use_count() == 3);
        two = Result<std::shared_ptr<int>>(fail(Error::busy));
        CHECK(counter.use_count() == 2);
    }
    CHECK(counter.use_count() == 1);
}

TEST_CASE("result: taking what is not there aborts") {
    CHECK(test::aborts([] { (void)half(7).value(); }));
    CHECK(test::aborts([] { (void)half(8).failure(); }));
    CHECK(test::aborts([] { (void)Status().failure(); }));
}

TEST_CASE("errors: the table is sound") {
    std::set<std::uint16_t> numbers;
    std::set<std::string> names;
    int last = -1;
    const auto see = [&](Error error, std::string_view name) {
        const auto number = static_cast<std::uint16_t>(error);
        CHECK(numbers.insert(number).second);
        CHECK(names.insert(std::string(name)).second);
        CHECK(int{number} > last);
        last = number;
        const ErrorInfo& info = error_info(error);
        CHECK(info.error == error);
        CHECK(info.name == name);
        CHECK(std::string_view(info.text) != "");
        CHECK(info.exit_code >= 0);
        CHECK(info.exit_code <= 3);
        CHECK((info.kafka_code == 0) == (error == Error::none));
        CHECK(error_from_number(number) == error);
    };
#define RIVULET_ERROR(number, name, kafka, retryable, exit_code, text) see(Error::name, #name);
#include "base/errors.def"
#undef RIVULET_ERROR
    CHECK(error_info(Error::corrupt_batch).kafka_code == 2);
    CHECK(error_info(Error::batch_too_large).kafka_code == 10);
    CHECK(error_info(Error::invalid_record).kafka_code == 87);
    CHECK(error_info(Error::unsupported_compression).kafka_code == 76);
}

TEST_CASE("errors: a number outside the table is unknown") {
    CHECK(error_info(static_cast<Error>(60000)).error == Error::unknown);
    CHECK(error_from_number(60000) == Error::unknown);
    CHECK(error_from_number(0x1'0000'0010) == Error::unknown);  // not taken modulo 2^16
}
