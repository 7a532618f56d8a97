// Fields of Kafka's messages, in both directions from one description.
// A message is a struct with `void describe(Codec&)`, which names its fields in order, under conditions of the version. The same description checks and decodes a request,
// encodes a response, and does the opposite for a client.
// Owns:     nothing. What is decoded are scalars, and views of the frame: as long as that stands.
// Bounds:   no allocation. Decoding walks each field once, arrays within arrays once more per level when they are iterated. A count is bounded by the bytes that are left,
//           a string by Kafka's 32767 bytes.
// Errors:   a field that does not fit the frame, a null that may not be, tags that do not ascend: malformed, once, at the end (decode()). A full Writer: its overflow flag.
//           A null that may not be is written as an empty one: what has no value in later versions has an empty one in earlier versions.
// Thread:   any.
// Format:   Kafka's protocol, big-endian; flexible versions (KIP-482): lengths and counts are varints of n + 1, 0 is null, and each struct ends with tagged fields.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "base/uuid.h"

namespace rivulet::wire::kafka {

class Codec;

// Record batches of a produce request or a fetch response. Decoded, they are `bytes`. Encoded, only their length is written, and where they belong is noted: they are sent from
// where they are, or stand in `bytes` if `position` is null.
struct Records {
    Bytes bytes;
    bool null = false;
    std::size_t length = 0;            // of what is to be inserted, if `position` is set
    std::size_t* position = nullptr;   // in the Writer
    // As it is written: -1 for null.
    std::int32_t encoded_length() const { return null ? -1 : static_cast<std::int32_t>(position ? length : bytes.size()); }
};

// What an array is, whatever its items are.
class AnyArray {
public:
    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    bool null() const { return null_; }

protected:
    friend class Codec;
    Bytes bytes_;
    std::size_t count_ = 0;
    void* source_ = nullptr;
    void (*fill_)(void* source, std::size_t index, void* item) = nullptr;
    std::int16_t version_ = 0;
    bool flexible_ = false;
    bool null_ = false;
};

// An array inside of a message: decoded, a lazy range over the frame, which can be iterated any number of times; to be encoded, a count and a source of its items, or
// what was decoded.
template <class T>
class Array : public AnyArray {
public:
    class Iterator;

    Array() = default;
    // `source(index, item)` fills one item at a time, in order; it must stand until the message is encoded. An array within the item gets a source of its own.
    template <class Source>
    static Array of(std::size_t count, Source& source) {
        Array array;
        array.count_ = count;
        array.source_ = &source;
        array.fill_ = [](void* from, std::size_t index, void* item) { (*static_cast<Source*>(from))(index, *static_cast<T*>(item)); };
        return array;
    }
    static Array none() { Array array; array.null_ = true; return array; }

    // Of what was decoded.
    Iterator begin() const { return Iterator(*this, count_); }
    Iterator end() const { return Iterator(*this, 0); }
};

class Codec {
public:
    // Decodes a frame.
    Codec(Bytes frame, std::int16_t version, bool flexible) : in_(frame), version_(version), flexible_(flexible) {}
    // Encodes.
    Codec(Writer& out, std::int16_t version, bool flexible) : in_(Bytes()), out_(&out), version_(version), flexible_(flexible) {}

    bool decoding() const { return !out_; }
    std::int16_t version() const { return version_; }
    bool flexible() const { return flexible_; }
    bool from(std::int16_t version) const { return version_ >= version; }
    bool until(std::int16_t version) const { return version_ <= version; }
    bool ok() const { return in_.ok(); }
    // Whether the bytes ended too early and nothing else is wrong: with more of them it may be right. For who decodes a stream.
    bool truncated() const { return !in_.ok() && !wrong_; }
    bool at_end() const { return in_.at_end(); }
    std::size_t position() const { return in_.position(); }
    // Bytes of Records that are to be inserted.
    std::size_t inserted_bytes() const { return inserted_; }

    void field(bool& value);
    void field(std::int8_t& value) { number(value); }
    void field(std::int16_t& value) { number(value); }
    void field(std::uint16_t& value) { number(value); }
    void field(std::int32_t& value) { number(value); }
    void field(std::int64_t& value) { number(value); }
    void field(std::uint32_t& value) { number(value); }
    void field(Uuid& value);
    template <class Tag, class Rep>
    void field(Quantity<Tag, Rep>& value) { number(value.value); }
    void field(std::string_view& value);
    void field(std::optional<std::string_view>& value, bool nullable = true);
    void field(Bytes& value);
    void field(std::optional<Bytes>& value);
    void field(Records& value);
    template <class T>
    void field(Array<T>& array, bool nullable = false) { any_array(array, nullable, one<T>); }
    // A string whose length is an int16 in flexible versions too: the client id of the request header.
    void short_text(std::optional<std::string_view>& value);
    template <class... T>
    void fields(T&... values) { (field(values), ...); }

    // An array or Records in two steps, for who decodes a stream: the count or length, which is not held against the bytes that are left, then what it counts. -1: null.
    void length(std::int32_t& value, bool nullable = false);
    template <class T>
    void items(Array<T>& array, std::int32_t count) { any_items(array, count, one<T>); }
    void content(Records& value, std::int32_t length);

    // A tagged field that is known, which is written if it is `present`.
    struct Tagged {
        std::uint32_t tag = 0;
        bool present = false;
        void* value = nullptr;
        void (*describe)(Codec&, void*) = nullptr;
    };
    template <class T>
    static Tagged tagged(std::uint32_t tag, T& value, bool present) {
        return {tag, present, &value, [](Codec& codec, void* known) { codec.item(*static_cast<T*>(known)); }};
    }
    // The end of a struct: tagged fields. Those that are `known`, in ascending order, are decoded and encoded; others are walked over.
    void tags(std::span<const Tagged> known = {});

    template <class T>
    void item(T& value) {
        if constexpr (requires { value.describe(*this); }) value.describe(*this);
        else field(value);
    }

private:
    template <class T>
    friend class Array;

    template <class T>
    void number(T& value) {
        if (out_) out_->be(value);
        else value = in_.be<T>();
    }
    // Of strings: int16 or varint; of bytes and arrays: int32 or varint. Empty: null.
    enum class Width : std::uint8_t { narrow, wide };
    void length(std::int32_t& value, Width width, bool nullable);
    // What is counted takes a byte each at least.
    bool holds(std::int32_t count);
    void view(std::optional<Bytes>& value, Width width, bool nullable);
    std::uint32_t read_varint();
    void write_tags(std::span<const Tagged> known);
    // One item of an array: from its source, or from what was decoded (`from`), if it is to be encoded.
    using One = void (*)(Codec&, const AnyArray&, Codec* from, std::size_t index);
    template <class T>
    static void one(Codec& codec, const AnyArray& array, Codec* from, std::size_t index) {
        T value{};
        if (array.fill_) array.fill_(array.source_, index, &value);
        else if (from) from->item(value);
        codec.item(value);
    }
    void any_array(AnyArray& array, bool nullable, One each);
    void any_items(AnyArray& array, std::int32_t count, One each);
    void refuse() { wrong_ = true; in_.invalidate(); }

    Reader in_;
    Writer* out_ = nullptr;
    std::int16_t version_;
    bool flexible_;
    bool wrong_ = false;
    std::size_t inserted_ = 0;
};

template <class T>
class Array<T>::Iterator {
public:
    Iterator(const Array& array, std::size_t left) : codec_(array.bytes_, array.version_, array.flexible_), left_(left) { load(); }
    const T& operator*() const { return item_; }
    const T* operator->() const { return &item_; }
    Iterator& operator++() { --left_; load(); return *this; }
    bool operator==(const Iterator& other) const { return left_ == other.left_; }

private:
    void load() {
        if (left_ == 0) return;
        item_ = T{};
        codec_.item(item_);
    }
    Codec codec_;
    std::size_t left_;
    T item_{};
};

// Bytes behind a message. Kafka's brokers pass them over, so clients have come to send some: librdkafka 2.16 three in Metadata.
enum class Rest : std::uint8_t { refused, passed_over };

// A whole message. malformed: with the position of bytes that are too many, or the size of the frame.
template <class T>
Result<T> decode(Bytes frame, std::int16_t version, bool flexible, Rest rest = Rest::refused) {
    T message{};
    Codec codec(frame, version, flexible);
    message.describe(codec);
    if (!codec.ok() || (rest == Rest::refused && !codec.at_end())) return fail(Error::malformed, static_cast<std::int64_t>(codec.position()));
    return message;
}

}  // namespace rivulet::wire::kafka
