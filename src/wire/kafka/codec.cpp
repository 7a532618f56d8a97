#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

namespace {

// Kafka's unsigned varint has 32 bits. It is taken in any form, as Kafka does.
std::uint32_t read_varint(Reader& in) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        const std::uint8_t byte = in.u8();
        value |= std::uint64_t{byte & 0x7fU} << shift;
        if ((byte & 0x80U) == 0) {
            if (value > UINT32_MAX) break;
            return static_cast<std::uint32_t>(value);
        }
    }
    in.invalidate();
    return 0;
}

}  // namespace

void Codec::field(bool& value) {
    if (out_) return out_->u8(value ? 1 : 0);
    value = in_.u8() != 0;
}

void Codec::field(double& value) {
    auto bits = std::bit_cast<std::uint64_t>(value);
    number(bits);
    value = std::bit_cast<double>(bits);
}

void Codec::field(Uuid& value) {
    if (out_) return out_->bytes(value.bytes);
    const Bytes bytes = in_.bytes(value.bytes.size());
    if (in_.ok()) copy(bytes, value.bytes);
}

std::optional<std::size_t> Codec::read_length(Width width, bool nullable) {
    std::int64_t length = 0;
    if (flexible_) length = std::int64_t{read_varint(in_)} - 1;
    else if (width == Width::narrow) length = in_.be<std::int16_t>();
    else length = in_.be<std::int32_t>();
    if (!in_.ok()) return std::nullopt;
    // Whatever is counted takes a byte at least.
    if (length < -1 || (length == -1 && !nullable) || length > static_cast<std::int64_t>(in_.remaining())) {
        in_.invalidate();
        return std::nullopt;
    }
    if (length == -1) return std::nullopt;
    return static_cast<std::size_t>(length);
}

void Codec::write_length(Width width, std::optional<std::size_t> length) {
    if (flexible_) return out_->varint(length ? std::uint64_t{*length} + 1 : 0);
    const std::int32_t value = length ? static_cast<std::int32_t>(*length) : -1;
    if (width == Width::narrow) out_->be(static_cast<std::int16_t>(value));
    else out_->be(value);
}

void Codec::view(std::optional<Bytes>& value, Width width, bool nullable) {
    if (out_) {
        write_length(width, value ? std::optional(value->size()) : std::nullopt);
        if (value) out_->bytes(*value);
        return;
    }
    const auto length = read_length(width, nullable);
    value.reset();
    if (length) value = in_.bytes(*length);
}

void Codec::field(std::string_view& value) {
    std::optional<Bytes> bytes = as_bytes(value);
    view(bytes, Width::narrow, false);
    value = bytes ? as_text(*bytes) : std::string_view();
}

void Codec::field(std::optional<std::string_view>& value, bool nullable) {
    std::optional<Bytes> bytes;
    if (value) bytes = as_bytes(*value);
    view(bytes, Width::narrow, nullable);
    value.reset();
    if (bytes) value = as_text(*bytes);
}

void Codec::field(Bytes& value) {
    std::optional<Bytes> bytes = value;
    view(bytes, Width::wide, false);
    value = bytes.value_or(Bytes());
}

void Codec::field(std::optional<Bytes>& value) { view(value, Width::wide, true); }

void Codec::field(Records& value) {
    if (out_ && value.position) {
        write_length(Width::wide, value.length);
        *value.position = out_->size();
        inserted_ += value.length;
        return;
    }
    std::optional<Bytes> bytes;
    if (!value.null) bytes = value.bytes;
    view(bytes, Width::wide, true);
    value.null = !bytes;
    value.bytes = bytes.value_or(Bytes());
}

void Codec::short_text(std::optional<std::string_view>& value) {
    const bool flexible = flexible_;
    flexible_ = false;
    field(value);
    flexible_ = flexible;
}

void Codec::tags() {
    if (!flexible_) return;
    if (out_) return out_->u8(0);
    const std::uint32_t count = read_varint(in_);
    std::int64_t previous = -1;
    for (std::uint32_t i = 0; i < count && in_.ok(); ++i) {
        const std::int64_t tag = read_varint(in_);
        if (tag <= previous) return in_.invalidate();
        previous = tag;
        in_.bytes(read_varint(in_));
    }
}

}  // namespace rivulet::wire::kafka
