#include "broker/groups/subscription.h"

namespace rivulet::broker {

Result<bool> subscribes(Bytes metadata, std::string_view topic) {
    Reader in(metadata);
    if (in.be<std::int16_t>() < 0) return fail(Error::malformed);
    const auto count = in.be<std::int32_t>();
    for (std::int32_t i = 0; i < count && in.ok(); ++i) {
        const auto size = in.be<std::int16_t>();
        if (size < 0) return fail(Error::malformed);
        const std::string_view name = as_text(in.bytes(static_cast<std::uint64_t>(size)));
        if (in.ok() && name == topic) return true;
    }
    if (!in.ok() || count < 0) return fail(Error::malformed);
    return false;
}

}  // namespace rivulet::broker
