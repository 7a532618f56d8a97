#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

// Kafka's unsigned varint has 32 bits. It is taken in any form, as Kafka does.
std::uint32_t Codec::read_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        const std::uint8_t byte = in_.u8();
        if (!in_.ok()) return 0;
        value |= std::uint64_t{byte & 0x7fU} << shift;
        if ((byte & 0x80U) != 0) continue;
        if (value > UINT32_MAX) break;
        return static_cast<std::uint32_t>(value);
    }
    refuse();
    return 0;
}

void Codec::field(bool& value) {
    if (out_) return out_->u8(value ? 1 : 0);
    value = in_.u8() != 0;
}

void Codec::field(Uuid& value) {
    if (out_) return out_->bytes(value.bytes);
    const Bytes bytes = in_.bytes(value.bytes.size());
    if (in_.ok()) copy(bytes, value.bytes);
}

void Codec::length(std::int32_t& value, Width width, bool nullable) {
    if (out_) {
        if (value < 0 && !nullable) value = 0;
        RIVULET_CHECK(width == Width::wide || value <= INT16_MAX);
        if (flexible_) return out_->varint(static_cast<std::uint64_t>(std::int64_t{value} + 1));
        if (width == Width::narrow) return out_->be(static_cast<std::int16_t>(value));
        return out_->be(value);
    }
    std::int64_t length = 0;
    if (flexible_) length = std::int64_t{read_varint()} - 1;
    else if (width == Width::narrow) length = in_.be<std::int16_t>();
    else length = in_.be<std::int32_t>();
    value = nullable ? -1 : 0;
    if (!in_.ok()) return;
    const std::int64_t most = width == Width::narrow ? INT16_MAX : INT32_MAX;
    if (length > most || length < (nullable ? -1 : 0)) return refuse();
    value = static_cast<std::int32_t>(length);
}

void Codec::length(std::int32_t& value, bool nullable) { length(value, Width::wide, nullable); }

bool Codec::holds(std::int32_t count) {
    if (count < 0 || !in_.ok()) return false;
    if (static_cast<std::size_t>(count) <= in_.remaining()) return true;
    in_.invalidate();
    return false;
}

void Codec::view(std::optional<Bytes>& value, Width width, bool nullable) {
    std::int32_t size = value ? static_cast<std::int32_t>(value->size()) : -1;
    length(size, width, nullable);
    if (out_) {
        if (value) out_->bytes(*value);
        return;
    }
    value.reset();
    if (holds(size)) value = in_.bytes(static_cast<std::size_t>(size));
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
    std::int32_t size = value.encoded_length();
    length(size, true);
    content(value, size);
}

void Codec::content(Records& value, std::int32_t length) {
    if (!out_) {
        value = {};
        value.null = length < 0;
        if (holds(length)) value.bytes = in_.bytes(static_cast<std::size_t>(length));
    } else if (value.null) {
        return;
    } else if (value.position) {
        *value.position = out_->size();
        inserted_ += value.length;
    } else {
        out_->bytes(value.bytes);
    }
}

void Codec::any_array(AnyArray& array, bool nullable, One each) {
    std::int32_t count = array.null_ ? -1 : static_cast<std::int32_t>(array.count_);
    length(count, nullable);
    any_items(array, count, each);
}

void Codec::any_items(AnyArray& array, std::int32_t count, One each) {
    if (out_) {
        Codec decoded(array.bytes_, array.version_, array.flexible_);
        for (std::size_t i = 0; i < array.count_ && out_->ok(); ++i) each(*this, array, &decoded, i);
        return;
    }
    array = {};
    array.null_ = count < 0;
    if (!holds(count)) return;
    Reader start = in_;
    for (std::int32_t i = 0; i < count && in_.ok(); ++i) each(*this, array, nullptr, 0);
    if (!in_.ok()) return;
    array.count_ = static_cast<std::size_t>(count);
    array.bytes_ = start.bytes(in_.position() - start.position());
    array.version_ = version_;
    array.flexible_ = flexible_;
}

void Codec::short_text(std::optional<std::string_view>& value) {
    const bool flexible = flexible_;
    flexible_ = false;
    field(value);
    flexible_ = flexible;
}

void Codec::tags(std::span<const Tagged> known) {
    if (!flexible_) return;
    if (out_) return write_tags(known);
    const std::uint32_t count = read_varint();
    std::int64_t previous = -1;
    for (std::uint32_t i = 0; i < count && in_.ok(); ++i) {
        const std::uint32_t tag = read_varint();
        if (in_.ok() && tag <= previous) return refuse();
        previous = tag;
        const Bytes bytes = in_.bytes(read_varint());
        for (const Tagged& field : known) {
            if (field.tag != tag || !in_.ok()) continue;
            Codec codec(bytes, version_, flexible_);
            field.describe(codec, field.value);
            if (!codec.ok() || !codec.at_end()) return refuse();
        }
    }
}

void Codec::write_tags(std::span<const Tagged> known) {
    std::size_t count = 0;
    for (const Tagged& field : known) count += field.present ? 1 : 0;
    out_->varint(count);
    for (const Tagged& field : known) {
        if (!field.present) continue;
        out_->varint(field.tag);
        // The length goes before what it counts, which is written first, to be measured, then again behind it.
        const std::size_t start = out_->size();
        field.describe(*this, field.value);
        if (!out_->ok()) return;
        const std::size_t size = out_->size() - start;
        out_->rewind(start);
        out_->varint(size);
        field.describe(*this, field.value);
    }
}

}  // namespace rivulet::wire::kafka
