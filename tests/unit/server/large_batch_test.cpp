// A batch in RAM of more pieces than a view holds goes out whole.
#include <doctest/doctest.h>

#include "record/validate.h"
#include "unit/server/served.h"

namespace rivulet::test {
namespace {

const std::string large_config = R"(
[memory]
total = 16M
ring_min = 4M
[storage]
size = 64M
segment_bytes = 8M
commit_bytes = 2M
[limits]
connections = 8
tls_connections = 0
tls_handshakes = 1
topics = 4
partitions = 4
sessions = 32
producers = 16
frame_bytes = 64K
credit_bytes = 1M
inflight_bytes = 1M
parked_fetches = 8
groups = 4
members = 16
group_members = 8
group_bytes = 16K
committed_offsets = 64
[listener.compact]
bind = 0.0.0.0:9192
[topic.ram]
durability = memory
commit.interval.ms = 20s
pack.ms = 10s
)";

TEST_CASE("fetch: one batch of more blocks than a view has pieces arrives whole") {
    Served served(large_config);
    Client& writer = served.connect();
    writer.open();
    writer.alias(0, "ram", 0);
    served.send(writer);
    REQUIRE(served.until(writer, frames::Kind::open));
    const std::string value(1000, 'v');
    for (int i = 0; i < 400; ++i) REQUIRE(writer.put(0, value));
    served.send(writer);
    served.run(12 * ns_per_s);
    Client& reader = served.connect();
    reader.open(0, 1, 1 << 20);
    served.send(reader);
    REQUIRE(served.until(reader, frames::Kind::open));
    reader.fetch(1, "ram", 0, 0, 20'000);
    REQUIRE(served.until(reader, frames::Kind::fetch));
    const Frame& frame = reader.last(frames::Kind::fetch);
    const auto answer = frames::decode_answer(frame.body);
    REQUIRE(answer.ok());
    REQUIRE(answer->error == Error::none);
    const auto fetched = frames::decode_fetched(answer->rest);
    REQUIRE(fetched.ok());
    const record::BatchHeader header = record::decode_header(fetched->batches);
    CHECK(header.total_bytes() > store::ReadView::pieces_max * store::block_bytes);
    REQUIRE(fetched->batches.size() >= header.total_bytes());
    CHECK(header.crc == crc32c(fetched->batches.subspan(record::batch_crc_start, header.total_bytes() - record::batch_crc_start)));
}

}  // namespace
}  // namespace rivulet::test
