#include "wire/kafka/codec.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "wire/kafka/fetch.h"
#include "wire/kafka/metadata.h"
#include "wire/kafka/produce.h"

using namespace rivulet;
using namespace rivulet::wire::kafka;

namespace {

using Buffer = std::vector<std::uint8_t>;

struct Note {
    std::string_view text;
    void describe(Codec& codec) {
        codec.field(text);
        codec.tags();
    }
};
struct Notes {
    Array<Note> notes;
    void describe(Codec& codec) {
        codec.field(notes);
        codec.tags();
    }
};

template <class T>
struct Only {
    T value{};
    void describe(Codec& codec) { codec.field(value); }
};

template <class T>
Result<T> decoded(const Buffer& bytes, bool flexible) {
    const Result<Only<T>> only = decode<Only<T>>(bytes, 0, flexible);
    if (!only) return only.failure();
    return only.value().value;
}

template <class T>
Buffer encoded(T& message, std::int16_t version, bool flexible) {
    Buffer buffer(4096);
    Writer out(buffer);
    Codec codec(out, version, flexible);
    message.describe(codec);
    REQUIRE(out.ok());
    buffer.resize(out.size());
    return buffer;
}

}  // namespace

TEST_CASE("kafka codec: strings, empty and null, are told apart in both forms") {
    using Text = std::optional<std::string_view>;
    CHECK(decoded<Text>({0, 2, 'a', 'b'}, false).value() == "ab");
    CHECK(decoded<Text>({3, 'a', 'b'}, true).value() == "ab");
    CHECK(decoded<Text>({0, 0}, false).value() == "");
    CHECK(decoded<Text>({1}, true).value() == "");
    CHECK_FALSE(decoded<Text>({0xff, 0xff}, false).value().has_value());
    CHECK_FALSE(decoded<Text>({0}, true).value().has_value());
}

TEST_CASE("kafka codec: a null that may not be, and lengths that lie, are malformed") {
    CHECK(decoded<std::string_view>({0xff, 0xff}, false).error() == Error::malformed);
    CHECK(decoded<std::string_view>({0}, true).error() == Error::malformed);
    CHECK(decoded<Bytes>({0xff, 0xff, 0xff, 0xff}, false).error() == Error::malformed);
    CHECK(decoded<Array<std::int32_t>>({0xff, 0xff, 0xff, 0xff}, false).error() == Error::malformed);
    CHECK(decoded<std::optional<std::string_view>>({0xff, 0xfe}, false).error() == Error::malformed);
    CHECK(decoded<std::optional<Bytes>>({0x80, 0, 0, 0}, false).error() == Error::malformed);
    CHECK(decoded<std::string_view>({0, 3, 'a', 'b'}, false).error() == Error::malformed);
    CHECK(decoded<std::string_view>({4, 'a', 'b'}, true).error() == Error::malformed);
    CHECK(decoded<std::string_view>({0, 1, 'a', 'b'}, false).error() == Error::malformed);             // a byte too many
    CHECK(decoded<Bytes>({0xff, 0xff, 0xff, 0xff, 0x0f}, true).error() == Error::malformed);            // 2^32 - 2 bytes
    CHECK(decoded<Bytes>({0xff, 0xff, 0xff, 0xff, 0x1f}, true).error() == Error::malformed);            // beyond 32 bits
    CHECK(decoded<Bytes>({0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, true).error() == Error::malformed);      // too long
    CHECK(decoded<std::string_view>({0x82, 0x00, 'a'}, true).value() == "a");                           // longer than need be, as Kafka takes it
}

TEST_CASE("kafka codec: a string is at most 32767 bytes long in each form") {
    Buffer bytes{0x80, 0x80, 0x02};  // 32767 + 1
    bytes.resize(3 + 32767, 'x');
    CHECK(decoded<std::string_view>(bytes, true).value().size() == 32767);
    bytes[0] = 0x81;
    bytes.push_back('x');
    CHECK(decoded<std::string_view>(bytes, true).error() == Error::malformed);
    CHECK(decoded<Bytes>(bytes, true).value().size() == 32768);
}

TEST_CASE("kafka codec: a count beyond the bytes that are left is malformed before an item is read") {
    CHECK(decoded<Array<std::int8_t>>({0, 0, 0, 2, 1, 2}, false).value().size() == 2);
    CHECK(decoded<Array<std::int8_t>>({0, 0, 0, 3, 1, 2}, false).error() == Error::malformed);
    CHECK(decoded<Array<std::int8_t>>({0x7f, 0xff, 0xff, 0xff, 1, 2}, false).error() == Error::malformed);
    CHECK(decoded<Array<std::int8_t>>({0xff, 0xff, 0xff, 0xff, 0x07, 1}, true).error() == Error::malformed);
    CHECK(decoded<Array<std::int32_t>>({0, 0, 0, 2, 0, 0, 0, 1, 0, 0}, false).error() == Error::malformed);
}

TEST_CASE("kafka codec: an array is a range that can be walked again, null or empty") {
    const Buffer three{4, 0, 7, 0, 8, 0, 9};
    const Result<Array<std::int16_t>> array = decoded<Array<std::int16_t>>(three, true);
    REQUIRE(array);
    for (int pass = 0; pass < 2; ++pass) {
        std::int16_t expected = 7;
        for (const std::int16_t item : array.value()) CHECK(item == expected++);
        CHECK(expected == 10);
    }
    const Buffer none{0xff, 0xff, 0xff, 0xff};
    Codec codec(none, 0, false);
    Array<std::int16_t> items;
    codec.field(items, true);
    CHECK(codec.ok());
    CHECK(items.null());
    CHECK(items.begin() == items.end());
}

TEST_CASE("kafka codec: tagged fields ascend, and those that are not known are passed over") {
    CHECK(decode<Notes>(Buffer{2, 2, 'a', 0, 0}, 0, true));
    const Buffer unknown{2, 2, 'a', 1, 5, 2, 'x', 'y', 2, 0, 1, 'z', 9, 0};
    const Result<Notes> notes = decode<Notes>(unknown, 0, true);
    REQUIRE(notes);
    CHECK(notes.value().notes.begin()->text == "a");
    CHECK(decode<Notes>(Buffer{1, 2, 5, 0, 5, 0}, 0, true).error() == Error::malformed);  // twice
    CHECK(decode<Notes>(Buffer{1, 2, 5, 0, 4, 0}, 0, true).error() == Error::malformed);  // back
    CHECK(decode<Notes>(Buffer{1, 2, 4, 0, 5, 0}, 0, true));
    CHECK(decode<Notes>(Buffer{1, 2, 4, 0, 5}, 0, true).error() == Error::malformed);
    CHECK(decode<Notes>(Buffer{1, 1, 4, 2, 0}, 0, true).error() == Error::malformed);  // longer than the frame
}

TEST_CASE("kafka codec: known tagged fields, and none where their version has none") {
    FetchRequest request;
    request.cluster_id = "here";
    request.replica_state = {.replica_id = 3, .replica_epoch = 4};
    const Buffer bytes = encoded(request, 15, true);
    const Result<FetchRequest> again = decode<FetchRequest>(bytes, 15, true);
    REQUIRE(again);
    CHECK(again.value().cluster_id == "here");
    CHECK(again.value().replica_state.replica_id == 3);
    CHECK(again.value().replica_state.replica_epoch == 4);
    const Result<FetchRequest> earlier = decode<FetchRequest>(encoded(request, 12, true), 12, true);
    REQUIRE(earlier);
    CHECK(earlier.value().cluster_id.has_value());
    CHECK(earlier.value().replica_state.replica_id == -1);
    CHECK(earlier.value().replica_id == -1);
    Buffer longer = bytes;
    CHECK(longer[longer.size() - 14] == 13);  // of the replica's state: two numbers, its tags
    longer[longer.size() - 14] = 12;
    CHECK_FALSE(decode<FetchRequest>(longer, 15, true));
}

TEST_CASE("kafka codec: what is encoded from sources is what is decoded, and is encoded again") {
    std::string_view texts[] = {"first", "", "third"};
    auto source = [&texts](std::size_t index, Note& note) { note.text = texts[index]; };
    Notes notes{Array<Note>::of(3, source)};
    for (const bool flexible : {false, true}) {
        const Buffer bytes = encoded(notes, 0, flexible);
        Result<Notes> again = decode<Notes>(bytes, 0, flexible);
        REQUIRE(again);
        REQUIRE(again.value().notes.size() == 3);
        std::size_t i = 0;
        for (const Note& note : again.value().notes) CHECK(note.text == texts[i++]);
        CHECK(encoded(again.value(), 0, flexible) == bytes);
        // In the other form, too: an item is decoded as it was written.
        CHECK(encoded(again.value(), 0, !flexible) == encoded(notes, 0, !flexible));
    }
}

TEST_CASE("kafka codec: what may not be null in a version is written empty") {
    MetadataRequest request;
    request.topics = Array<MetadataRequest::Topic>::none();
    CHECK(encoded(request, 0, false) == Buffer{0, 0, 0, 0});
    CHECK(encoded(request, 1, false) == Buffer{0xff, 0xff, 0xff, 0xff});
    MetadataResponse::Topic topic;
    CHECK(encoded(topic, 0, false) == Buffer{0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("kafka codec: a full writer overflows, and nothing is written beyond it") {
    std::string_view texts[] = {"first", "second", "third"};
    auto source = [&texts](std::size_t index, Note& note) { note.text = texts[index]; };
    Notes notes{Array<Note>::of(3, source)};
    const std::size_t size = encoded(notes, 0, true).size();
    for (std::size_t room = 0; room < size; ++room) {
        Buffer buffer(room);
        Writer out(buffer);
        Codec codec(out, 0, true);
        notes.describe(codec);
        CHECK_FALSE(out.ok());
    }
}

TEST_CASE("kafka codec: records are noted where they belong, and counted in the frame") {
    std::size_t positions[2] = {};
    auto partitions = [&positions](std::size_t index, FetchResponse::Partition& partition) {
        partition.partition_index = static_cast<std::int32_t>(index);
        partition.records.length = 100 + index;
        partition.records.position = &positions[index];
    };
    auto topics = [&partitions](std::size_t, FetchResponse::Topic& topic) {
        topic.topic = "t";
        topic.partitions = Array<FetchResponse::Partition>::of(2, partitions);
    };
    FetchResponse response;
    response.responses = Array<FetchResponse::Topic>::of(1, topics);
    Buffer buffer(512);
    Writer out(buffer);
    Codec codec(out, 12, true);
    response.describe(codec);
    REQUIRE(out.ok());
    CHECK(codec.inserted_bytes() == 201);
    Buffer whole(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(positions[0]));
    whole.insert(whole.end(), 100, 'a');
    whole.insert(whole.end(), buffer.begin() + static_cast<std::ptrdiff_t>(positions[0]), buffer.begin() + static_cast<std::ptrdiff_t>(positions[1]));
    whole.insert(whole.end(), 101, 'b');
    whole.insert(whole.end(), buffer.begin() + static_cast<std::ptrdiff_t>(positions[1]), buffer.begin() + static_cast<std::ptrdiff_t>(out.size()));
    const Result<FetchResponse> again = decode<FetchResponse>(whole, 12, true);
    REQUIRE(again);
    std::size_t i = 0;
    const FetchResponse::Topic topic = *again.value().responses.begin();
    for (const FetchResponse::Partition& partition : topic.partitions) {
        CHECK(partition.records.bytes.size() == 100 + i);
        CHECK(partition.records.bytes[0] == 'a' + i);
        ++i;
    }
    CHECK(i == 2);
}

TEST_CASE("kafka codec: bytes that end too early are told from bytes that are wrong") {
    const Buffer head{0xff, 0xff, 0, 1, 0, 0, 0, 5, 0, 0, 0, 1};
    for (std::size_t size = 0; size < head.size(); ++size) {
        Codec codec(Bytes(head).first(size), 3, false);
        ProduceRequestHead part;
        part.describe(codec);
        CHECK_FALSE(codec.ok());
        CHECK(codec.truncated());
    }
    Codec whole(head, 3, false);
    ProduceRequestHead part;
    part.describe(whole);
    CHECK(whole.ok());
    CHECK_FALSE(whole.truncated());
    CHECK(whole.at_end());
    CHECK(part.topic_count == 1);  // whose bytes are yet to come
    Buffer wrong = head;
    wrong[8] = 0xff;  // a negative count
    Codec codec(wrong, 3, false);
    part.describe(codec);
    CHECK_FALSE(codec.ok());
    CHECK_FALSE(codec.truncated());
}
