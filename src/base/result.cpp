#include "base/result.h"

namespace rivulet {

namespace {

constexpr ErrorInfo table[] = {
#define RIVULET_ERROR(number, name, kafka, retryable, exit_code, text) {Error::name, #name, text, kafka, retryable, exit_code},
#include "base/errors.def"
#undef RIVULET_ERROR
};

}  // namespace

const ErrorInfo& error_info(Error error) {
    for (const ErrorInfo& info : table)
        if (info.error == error) return info;
    return table[1];
}

Error error_from_number(std::uint64_t number) {
    for (const ErrorInfo& info : table)
        if (static_cast<std::uint64_t>(info.error) == number) return info.error;
    return Error::unknown;
}

}  // namespace rivulet
