#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "config/topic_config.h"

namespace rivulet::config {

namespace {

struct Outcome {
    Error error = Error::none;
    std::string why;
};

Outcome try_set(TopicConfig& config, std::string_view key, std::string_view value) {
    char buffer[256];
    Text why(buffer);
    const Status status = set(config, key, value, why);
    return {status ? Error::none : status.failure().error, std::string(why.view())};
}

std::string printed(const TopicConfig& config, TopicKey key) {
    char buffer[topic_value_text_max];
    Text out(buffer);
    print(config, key, out);
    CHECK(!out.cut());
    return std::string(out.view());
}

std::string hex(Bytes bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", byte);
        text += digits;
    }
    return text;
}

}  // namespace

TEST_CASE("built-in defaults of a topic") {
    const TopicConfig config;
    CHECK(config.overrides == 0);
    CHECK(config.retention_ms == -1);
    CHECK(config.retention_bytes == -1);
    CHECK(config.max_message_bytes == 1'048'588);
    CHECK(config.commit_interval_ms() == 100);
    CHECK(config.pack_ms == 20);
    CHECK(config.durability == Durability::disk);
    CHECK(config.min_insync_replicas == 1);
    CHECK(config.timestamp_type == TimestampType::create_time);
}

TEST_CASE("Kafka's integers and our units") {
    TopicConfig config;
    CHECK(try_set(config, "retention.ms", "604800000").error == Error::none);
    CHECK(config.retention_ms == 604'800'000);
    CHECK(try_set(config, "retention.ms", "2h").error == Error::none);
    CHECK(config.retention_ms == 7'200'000);
    CHECK(try_set(config, "retention.ms", "-1").error == Error::none);
    CHECK(config.retention_ms == -1);
    CHECK(try_set(config, "retention.bytes", "64K").error == Error::none);
    CHECK(config.retention_bytes == 65536);
    CHECK(try_set(config, "retention.bytes", "none").error == Error::none);
    CHECK(config.retention_bytes == -1);
    CHECK(try_set(config, "commit.interval.ms", "0").error == Error::none);
    CHECK(config.commit_interval_ms() == 0);
    CHECK(try_set(config, "message.timestamp.type", "LogAppendTime").error == Error::none);
    CHECK(config.timestamp_type == TimestampType::log_append_time);
}

TEST_CASE("the commit interval follows durability unless it is set") {
    TopicConfig config;
    CHECK(try_set(config, "durability", "memory").error == Error::none);
    CHECK(config.commit_interval_ms() == 1000);
    CHECK(printed(config, TopicKey::commit_interval_ms) == "1000");
    CHECK(try_set(config, "commit.interval.ms", "5s").error == Error::none);
    CHECK(config.commit_interval_ms() == 5000);
    CHECK(try_set(config, "commit.interval.ms", "auto").error == Error::none);
    CHECK(config.commit_interval_ms() == 1000);
}

TEST_CASE("refusals") {
    TopicConfig config;
    const TopicConfig before = config;
    CHECK(try_set(config, "retention.mss", "1").why == "retention.mss: unknown key, did you mean retention.ms?");
    CHECK(try_set(config, "windmill", "1").why == "windmill: unknown key");
    CHECK(try_set(config, "windmill", "1").error == Error::invalid_config);
    CHECK(try_set(config, "durability", "paper").why == "durability = paper: must be disk or memory");
    CHECK(try_set(config, "pack.ms", "1h").why == "pack.ms = 1h: out of range, 0 to 10s");
    CHECK(try_set(config, "max.message.bytes", "-1").why == "max.message.bytes = -1: out of range, 1K to 64M");
    CHECK(try_set(config, "cleanup.policy", "compact,keep").error == Error::invalid_config);
    CHECK(try_set(config, "min.cleanable.dirty.ratio", "1.001").why == "min.cleanable.dirty.ratio = 1.001: out of range, 0 to 1");
    for (const char* const text : {"", ".", "-1", "0.5x", "a", "1e-1", "9999999"}) CHECK(try_set(config, "min.cleanable.dirty.ratio", text).error == Error::invalid_config);
    CHECK(try_set(config, "overflow", "refuse").why == "overflow = refuse: must be drop-oldest or reject");
    CHECK(try_set(config, "min.insync.replicas", "2").why == "min.insync.replicas = 2: this version runs on a single board: 1");
    CHECK(try_set(config, "flush.ms", "1").why == "flush.ms: here it is commit.interval.ms");
    CHECK(config == before);
}

TEST_CASE("ratios, to a thousandth") {
    struct Case {
        const char* text;
        int permille;
        const char* shown;
    };
    TopicConfig config;
    CHECK(printed(config, TopicKey::min_cleanable_dirty_ratio) == "0.75");
    for (const auto& [text, permille, shown] : {Case{"0.5", 500, "0.5"}, {"1", 1000, "1"}, {"0", 0, "0"}, {".125", 125, "0.125"}, {"0.0509", 50, "0.05"}, {"1.", 1000, "1"}}) {
        CHECK(try_set(config, "min.cleanable.dirty.ratio", text).why == "");
        CHECK(config.min_cleanable_dirty_permille == permille);
        CHECK(printed(config, TopicKey::min_cleanable_dirty_ratio) == shown);
    }
}

TEST_CASE("incremental alterations: set, back to the default, lists") {
    TopicConfig defaults;
    defaults.retention_ms = 7000;
    TopicConfig config = defaults;
    char buffer[256];
    const auto change = [&](AlterOperation operation, std::string_view key, std::string_view value) {
        Text why(buffer);
        const Error error = alter(config, operation, key, value, defaults, why).error();
        return Outcome{error, std::string(why.view())};
    };
    CHECK(change(AlterOperation::set, "retention.ms", "5000").error == Error::none);
    CHECK(config.retention_ms == 5000);
    CHECK(change(AlterOperation::remove, "retention.ms", "").error == Error::none);
    CHECK(config.retention_ms == 7000);
    CHECK_FALSE(config.is_set(TopicKey::retention_ms));
    const TopicConfig before = config;
    CHECK(change(AlterOperation::append, "retention.ms", "5").why == "retention.ms: not a list, which alone can be appended to or subtracted from");
    CHECK(change(AlterOperation::subtract, "durability", "disk").error == Error::invalid_config);
    CHECK(change(AlterOperation::append, "windmill", "1").why == "windmill: unknown key");
    CHECK(change(AlterOperation::append, "segment.bytes", "1").error == Error::unsupported);
    CHECK(change(AlterOperation::append, "cleanup.policy", std::string(200, 'x')).error == Error::invalid_config);
    CHECK(change(AlterOperation::subtract, "cleanup.policy", "delete").why == "cleanup.policy = : must be delete, compact, compact,delete or delete,compact");
    CHECK(config == before);
    CHECK(change(AlterOperation::append, "cleanup.policy", "delete").error == Error::none);
    CHECK(change(AlterOperation::append, "cleanup.policy", "compact").error == Error::none);
    CHECK(printed(config, TopicKey::cleanup_policy) == "compact,delete");
    CHECK(change(AlterOperation::subtract, "cleanup.policy", "compact").error == Error::none);
    CHECK(printed(config, TopicKey::cleanup_policy) == "delete");
    CHECK(config.is_set(TopicKey::cleanup_policy));
}

TEST_CASE("a batch larger than the limits") {
    TopicConfig config;
    char buffer[128];
    Text why(buffer);
    CHECK(check(config, 1'048'588, why).ok());
    CHECK(!check(config, 65536, why).ok());
    CHECK(why.view() == "max.message.bytes = 1048588: more than limits.batch_bytes = 65536");
}

TEST_CASE("following the defaults") {
    TopicConfig defaults;
    TopicConfig topic;
    CHECK(try_set(topic, "pack.ms", "7").error == Error::none);
    CHECK(try_set(defaults, "pack.ms", "9").error == Error::none);
    CHECK(try_set(defaults, "retention.ms", "1h").error == Error::none);
    follow(topic, defaults);
    CHECK(topic.pack_ms == 7);
    CHECK(topic.retention_ms == 3'600'000);
    CHECK(!topic.is_set(TopicKey::retention_ms));
    char buffer[128];
    Text why(buffer);
    CHECK(reset(topic, "pack.ms", defaults, why).ok());
    CHECK(topic.pack_ms == 9);
    CHECK(topic.overrides == 0);
    CHECK(!reset(topic, "pack.mss", defaults, why).ok());
    CHECK(why.view() == "pack.mss: unknown key, did you mean pack.ms?");
}

TEST_CASE("what print() writes, set() takes back") {
    TopicConfig config;
    CHECK(try_set(config, "retention.ms", "7d").error == Error::none);
    CHECK(try_set(config, "durability", "memory").error == Error::none);
    CHECK(printed(config, TopicKey::retention_ms) == "604800000");
    CHECK(printed(config, TopicKey::retention_bytes) == "-1");
    CHECK(printed(config, TopicKey::cleanup_policy) == "delete");
    TopicConfig copy;
    for (std::size_t i = 0; i < topic_keys_count; ++i) {
        const TopicKeyInfo info = topic_key_info(i);
        CHECK(static_cast<std::size_t>(info.key) == i + 1);
        CHECK(try_set(copy, info.name, printed(config, info.key)).why == "");
        CHECK(try_set(copy, info.name, info.default_text).why == "");
        CHECK(try_set(copy, info.name, printed(config, info.key)).why == "");
    }
    for (std::size_t i = 0; i < topic_keys_count; ++i) {
        const TopicKey key = topic_key_info(i).key;
        CHECK(printed(copy, key) == printed(config, key));
    }
}

TEST_CASE("encoded form: only what is set, in ascending order; its bytes are frozen") {
    TopicConfig config;
    std::uint8_t buffer[topic_config_bytes_max];
    Writer empty(buffer);
    encode(config, empty);
    CHECK(hex(empty.written()) == "00");
    CHECK(try_set(config, "durability", "memory").error == Error::none);
    CHECK(try_set(config, "retention.ms", "none").error == Error::none);
    CHECK(try_set(config, "pack.ms", "1s").error == Error::none);
    Writer out(buffer);
    encode(config, out);
    CHECK(hex(out.written()) == "03" "0101" "05d00f" "0602");

    TopicConfig defaults;
    CHECK(try_set(defaults, "max.message.bytes", "64K").error == Error::none);
    TopicConfig decoded;
    Reader in(out.written());
    REQUIRE(decode(in, defaults, decoded).ok());
    CHECK(in.at_end());
    CHECK(decoded.overrides == config.overrides);
    CHECK(decoded.durability == Durability::memory);
    CHECK(decoded.retention_ms == -1);
    CHECK(decoded.pack_ms == 1000);
    CHECK(decoded.max_message_bytes == 65536);
}

TEST_CASE("every key set to its largest fits topic_config_bytes_max") {
    TopicConfig config;
    for (const auto& [key, value] : {std::pair{"retention.ms", "36500d"}, {"retention.bytes", "1024G"}, {"max.message.bytes", "64M"},
                                     {"commit.interval.ms", "60s"}, {"pack.ms", "10s"}, {"durability", "memory"}, {"overflow", "drop-oldest"},
                                     {"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "1"}, {"delete.retention.ms", "36500d"}, {"min.insync.replicas", "1"}, {"message.timestamp.type", "LogAppendTime"},
                                     {"compression.type", "producer"}}) {
        CHECK(try_set(config, key, value).why == "");
    }
    std::uint8_t buffer[topic_config_bytes_max];
    Writer out(buffer);
    encode(config, out);
    REQUIRE(out.ok());
    TopicConfig decoded;
    Reader in(out.written());
    REQUIRE(decode(in, TopicConfig(), decoded).ok());
    CHECK(decoded == config);
}

TEST_CASE("decode refuses what it cannot stand for, and changes nothing then") {
    struct Case {
        std::vector<std::uint8_t> bytes;
        Error error;
    };
    const Case cases[] = {
        {{}, Error::malformed},
        {{1}, Error::malformed},
        {{1, 1}, Error::malformed},
        {{2, 5, 2}, Error::malformed},
        {{1, 0, 0}, Error::malformed},                // no key 0
        {{2, 5, 2, 5, 2}, Error::malformed},          // twice
        {{2, 5, 2, 1, 2}, Error::malformed},          // descending
        {{1, 15, 0}, Error::unsupported_version},     // of a newer version
        {{1, 8, 6}, Error::invalid_config},           // no cleanup policy
        {{1, 6, 4}, Error::invalid_config},           // durability 2
        {{1, 7, 4}, Error::invalid_config},           // overflow 2
        {{1, 14, 4}, Error::invalid_config},          // pinned 2
        {{1, 9, 4}, Error::invalid_config},           // two replicas
        {{1, 3, 1}, Error::invalid_config},           // max.message.bytes -1
        {{1, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, Error::invalid_config},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, Error::malformed},
    };
    for (const Case& c : cases) {
        TopicConfig config;
        CHECK(try_set(config, "pack.ms", "3").error == Error::none);
        const TopicConfig before = config;
        Reader in(c.bytes);
        const Status status = decode(in, TopicConfig(), config);
        REQUIRE_MESSAGE(!status.ok(), hex(c.bytes));
        CHECK_MESSAGE(status.failure().error == c.error, hex(c.bytes));
        CHECK(config == before);
    }
}

TEST_CASE("topic names") {
    CHECK(valid_topic_name("temps"));
    CHECK(valid_topic_name("a.B_c-9"));
    CHECK(valid_topic_name(std::string(249, 'x')));
    CHECK(!valid_topic_name(std::string(250, 'x')));
    CHECK(!valid_topic_name(""));
    CHECK(!valid_topic_name("."));
    CHECK(!valid_topic_name(".."));
    CHECK(valid_topic_name("..."));
    CHECK(!valid_topic_name("a b"));
    CHECK(!valid_topic_name("a/b"));
    CHECK(!valid_topic_name("\xc3\xa9"));
}

}  // namespace rivulet::config
