#include "broker/groups/subscription.h"

namespace rivulet::broker {

namespace {

std::string_view read_name(Reader& in) {
    const auto size = in.be<std::int16_t>();
    if (size < 0) in.invalidate();
    return as_text(in.bytes(static_cast<std::uint64_t>(size < 0 ? 0 : size)));
}

}  // namespace

Result<bool> subscribes(Bytes metadata, std::string_view topic) {
    Reader in(metadata);
    if (in.be<std::int16_t>() < 0) return fail(Error::malformed);
    const auto count = in.be<std::int32_t>();
    for (std::int32_t i = 0; i < count && in.ok(); ++i) {
        const std::string_view name = read_name(in);
        if (in.ok() && name == topic) return true;
    }
    if (!in.ok() || count < 0) return fail(Error::malformed);
    return false;
}

std::size_t subscription_bytes(std::size_t topics, std::size_t name_bytes) { return 2 + 4 + 2 * topics + name_bytes + 4; }

void encode_subscription_head(Writer& out, std::size_t topics) {
    out.be(std::int16_t{0});
    out.be(static_cast<std::int32_t>(topics));
}

void encode_subscription_topic(Writer& out, std::string_view topic) {
    out.be(static_cast<std::int16_t>(topic.size()));
    out.bytes(as_bytes(topic));
}

void encode_subscription_end(Writer& out) { out.be(std::int32_t{-1}); }  // no user data

SubscriptionReader::SubscriptionReader(Bytes subscription) : in_(subscription) {
    if (in_.be<std::int16_t>() < 0) in_.invalidate();
    left_ = in_.be<std::int32_t>();
}

bool SubscriptionReader::next(std::string_view& topic) {
    if (left_ <= 0) return false;
    --left_;
    topic = read_name(in_);
    return in_.ok();
}

// None at all is an assignment of nothing.
AssignmentReader::AssignmentReader(Bytes assignment) : in_(assignment) {
    if (assignment.empty()) return;
    if (in_.be<std::int16_t>() < 0) in_.invalidate();
    topics_left_ = in_.be<std::int32_t>();
    if (topics_left_ < 0) in_.invalidate();
}

bool AssignmentReader::next() {
    while (in_.ok() && partitions_left_ == 0 && topics_left_ > 0) {
        --topics_left_;
        topic_ = read_name(in_);
        partitions_left_ = in_.be<std::int32_t>();
        if (partitions_left_ < 0) in_.invalidate();
    }
    if (!in_.ok() || partitions_left_ == 0) return false;
    --partitions_left_;
    partition_ = in_.be<std::int32_t>();
    return in_.ok();
}

}  // namespace rivulet::broker
