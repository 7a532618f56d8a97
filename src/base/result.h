// Result<T>: a value or an error, in place of exceptions (see src/DESIGN.md: clang must compile the fuzzers, so not std::expected).
// Owns:     the value; an error is a code and one number of detail (errno, offset, LSN...), no strings.
// Bounds:   no allocation. [[nodiscard]] throughout.
// Errors:   the table in errors.def: name, text, Kafka code, retryable, exit code.
#pragma once

#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace rivulet {

enum class Error : std::uint16_t {
#define RIVULET_ERROR(number, name, kafka, retryable, exit_code, text) name = number,
#include "base/errors.def"
#undef RIVULET_ERROR
};

struct ErrorInfo {
    Error error;
    const char* name;  // as in errors.def
    const char* text;  // a sentence fragment for people
    std::int16_t kafka_code;
    bool retryable;
    int exit_code;
};

// Never fails: a number outside the table gives the entry of Error::unknown.
const ErrorInfo& error_info(Error error);
// The error of a number from the wire; Error::unknown if the table has no such number.
Error error_from_number(std::uint64_t number);

struct [[nodiscard]] Failure {
    Error error = Error::unknown;
    std::int64_t detail = 0;  // meaning depends on the error: errno for io, a position for corrupt, 0 if none
};

inline Failure fail(Error error, std::int64_t detail = 0) { return {error, detail}; }

template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : ok_(true) { ::new (static_cast<void*>(&value_)) T(std::move(value)); }
    Result(Failure failure) : ok_(false), failure_(failure) {}
    Result(const Result& other) : ok_(other.ok_) { construct(other); }
    Result(Result&& other) noexcept : ok_(other.ok_) { construct(std::move(other)); }
    Result& operator=(const Result& other) {
        if (this != &other) { destroy(); ok_ = other.ok_; construct(other); }
        return *this;
    }
    Result& operator=(Result&& other) noexcept {
        if (this != &other) { destroy(); ok_ = other.ok_; construct(std::move(other)); }
        return *this;
    }
    ~Result() { destroy(); }

    explicit operator bool() const { return ok_; }
    bool ok() const { return ok_; }
    Error error() const { return ok_ ? Error::none : failure_.error; }
    Failure failure() const { RIVULET_CHECK(!ok_); return failure_; }

    T& value() & { RIVULET_CHECK(ok_); return value_; }
    const T& value() const& { RIVULET_CHECK(ok_); return value_; }
    T&& value() && { RIVULET_CHECK(ok_); return std::move(value_); }
    T& operator*() { return value(); }
    const T& operator*() const { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

private:
    template <class Other>
    void construct(Other&& other) {
        if (ok_) ::new (static_cast<void*>(&value_)) T(std::forward<Other>(other).value_);
        else failure_ = other.failure_;
    }
    void destroy() {
        if (ok_) value_.~T();
    }

    bool ok_;
    union {
        T value_;
        Failure failure_;
    };
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Failure failure) : ok_(false), failure_(failure) {}
    explicit operator bool() const { return ok_; }
    bool ok() const { return ok_; }
    Error error() const { return ok_ ? Error::none : failure_.error; }
    Failure failure() const { RIVULET_CHECK(!ok_); return failure_; }

private:
    bool ok_ = true;
    Failure failure_{Error::none, 0};
};

using Status = Result<void>;

}  // namespace rivulet

// Evaluates a Status or Result; returns its failure from the enclosing function.
#define RIVULET_TRY(expression)                                  \
    do {                                                         \
        auto&& try_result_ = (expression);                       \
        if (!try_result_) return try_result_.failure();          \
    } while (false)

#define RIVULET_CONCAT_(a, b) a##b
#define RIVULET_CONCAT(a, b) RIVULET_CONCAT_(a, b)
// RIVULET_TRY_ASSIGN(auto x, expression): x = the value, or return the failure.
#define RIVULET_TRY_ASSIGN(declaration, expression)                                       \
    auto RIVULET_CONCAT(try_assign_, __LINE__) = (expression);                            \
    if (!RIVULET_CONCAT(try_assign_, __LINE__)) return RIVULET_CONCAT(try_assign_, __LINE__).failure(); \
    declaration = std::move(RIVULET_CONCAT(try_assign_, __LINE__)).value()
