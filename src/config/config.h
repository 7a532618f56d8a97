// The configuration: what each section holds, how it is read, printed and reloaded. The keys' defaults, bounds and reasons are one table, keys.cpp.
// Owns:     plain values, about 30 KiB, no allocation: it is parsed at start and again at SIGHUP, after the arena is sealed.
// Bounds:   listeners_max, topic_sections_max; 64 problems are reported, the rest counted.
// Errors:   invalid_config; every problem has gone to the ProblemSink then, with file:line and the nearest known name.
// Guarantee: nothing is applied unless the whole of file, --set list and cross-checks is right.
#pragma once

#include <span>

#include "config/fixed_string.h"
#include "config/topic_config.h"
#include "env/address.h"
#include "env/env.h"

namespace rivulet::config {

constexpr std::size_t listeners_max = 4;
constexpr std::size_t topic_sections_max = 64;
constexpr std::size_t path_bytes_max = 255;
constexpr std::size_t problems_max = 64;

using Path = FixedString<path_bytes_max>;

struct Broker {
    std::uint32_t id = 0;
    env::LogLevel log_level{};
    std::int64_t drain_timeout_ms = 0;
    std::int64_t group_initial_rebalance_delay_ms = 0;
    std::uint32_t offsets_topic_partitions = 0;
    std::int64_t offsets_retention_ms = 0;
    std::uint32_t offset_metadata_bytes_max = 0;
};

struct Memory {
    std::uint64_t total = 0;
    std::uint64_t ring_min = 0;  // least that the other pools must leave for the blocks of the partitions' rings
    bool prefault = false;
};

struct Storage {
    Path dir;
    std::uint64_t size = 0;
    std::uint64_t segment_bytes = 0;
    std::uint64_t commit_bytes = 0;
    std::uint64_t checkpoint_bytes_max = 0;  // each of the two areas
    std::int64_t mark_idle_ms = 0;

    std::uint64_t segments() const { return size / segment_bytes; }
    std::uint64_t journal_bytes() const { return segments() * segment_bytes; }  // size, in whole segments
};

struct Retention {
    std::int64_t check_interval_ms = 0;
};

struct Limits {
    std::uint32_t connections = 0;
    std::uint32_t tls_connections = 0;
    std::uint32_t tls_handshakes = 0;
    std::uint32_t topics = 0;
    std::uint32_t partitions = 0;
    std::uint32_t sessions = 0;  // (session, partition) states
    std::uint32_t producers = 0;  // (producer, partition) states
    std::uint32_t aliases_per_connection = 0;
    std::uint32_t batch_bytes = 0;  // upper bound of every max.message.bytes
    std::uint32_t frame_bytes = 0;
    std::uint32_t credit_bytes = 0;        // per compact connection: sent by it and not answered yet
    std::uint32_t inflight_bytes = 0;      // per connection: on its way out, pinning blocks
    std::uint32_t receive_pool_bytes = 0;  // all receive buffers together
    std::uint32_t kafka_connections = 0;
    std::uint32_t bulk_senders = 0;        // connections with a large send buffer of the kernel
    std::uint32_t kafka_receive_bytes = 0;
    std::uint32_t kafka_request_bytes = 0;
    std::uint32_t kafka_response_bytes = 0;
    std::uint32_t fetch_partitions = 0;    // of all parked Kafka fetches
    std::uint32_t compact_keys = 0;        // of one cleaning pass
    std::uint32_t index_bytes = 0;
    std::uint32_t read_windows = 0;
    std::uint32_t decode_bytes = 0;        // 0: compressed batches are not opened
    std::uint32_t parked_fetches = 0;
    std::uint32_t groups = 0;
    std::uint32_t members = 0;         // of all groups
    std::uint32_t group_members = 0;   // of one
    std::uint32_t group_bytes = 0;
    std::uint32_t committed_offsets = 0;
};

enum class Protocol : std::uint8_t { compact, kafka };

struct Listener {
    FixedString<32> name;
    FixedString<64> bind;
    Protocol protocol{};
    FixedString<128> advertise;  // HOST:PORT; empty = the local address of the client's connection
    bool tls = false;
    Path cert_file;
    Path key_file;
    Path ca_file;
    Path psk_file;
    std::uint32_t send_buffer = 0;     // 0 = the system's default
    std::uint32_t receive_buffer = 0;  // likewise
    std::uint32_t backlog = 0;

    env::Address bind_address() const;  // of a configuration that was accepted
};

// [defaults] (without a name) and each [topic.NAME], where what is not given is filled from [defaults].
struct TopicSection {
    FixedString<topic_name_bytes_max> name;
    std::uint32_t partitions = 0;
    std::uint16_t replication_factor = 0;
    bool auto_create = false;  // of [defaults] alone
    TopicConfig config;        // its overrides are the keys that this section gives
};

enum class ClockTrust : std::uint8_t { automatic, always, never };

struct Clock {
    ClockTrust trust{};
};

// Where a value came from: 0 default, above 0 the line of the file, -1 --set.
using Origin = std::int32_t;
constexpr Origin origin_default = 0;
constexpr Origin origin_set = -1;
constexpr std::size_t origins_max = 1280;

struct Config {
    Config();  // the built-in defaults: listeners compact on 127.0.0.1:9192, kafka on 127.0.0.1:9092

    Broker broker;
    Memory memory;
    Storage storage;
    Retention retention;
    TopicSection defaults;
    Limits limits;
    Clock clock;
    std::array<Listener, listeners_max> listener_slots;
    std::array<TopicSection, topic_sections_max> topic_slots;
    std::uint32_t listener_count = 0;
    std::uint32_t topic_count = 0;
    Path file_name;                            // empty: none
    std::array<Origin, origins_max> origins{};  // see keys.h

    std::span<const Listener> listeners() const { return std::span(listener_slots).first(listener_count); }
    bool speaks(Protocol protocol) const;  // some listener does
    std::span<const TopicSection> topics() const { return std::span(topic_slots).first(topic_count); }
};

// ---- reading ----

// The parts of a problem, for machines.
struct ProblemParts {
    std::string_view file;     // "--set" for what came from there; empty: no file is to blame
    Origin line = 0;           // from 1; below: none
    std::string_view key;      // "memory.total", "[section]"; empty: none
    std::string_view message;  // all but file and line
};

class ProblemSink {
public:
    // One problem, complete, without a line end: "rivulet.conf:12: memory.totl: unknown key, did you mean memory.total?"
    virtual void on_problem(std::string_view text) = 0;
    // The same, for those that want its parts.
    virtual void on_problem_parts(const ProblemParts&, std::string_view text) { on_problem(text); }

protected:
    ~ProblemSink() = default;
};

struct Source {
    Bytes text;                              // of the file, as read
    std::string_view file_name;              // for messages; empty: there is no file
    std::span<const std::string_view> sets;  // --set arguments, section.key=value; they rule over the file, the last one of a key over the others
};

// Built-in defaults, then the file, then the sets, then the cross-checks. `out` changes only if all is well.
Status parse(const Source& source, Config& out, ProblemSink& problems);
inline Status parse(Bytes text, std::string_view file_name, Config& out, ProblemSink& problems) {
    return parse(Source{text, file_name, {}}, out, problems);
}

// Largest batch that a segment takes: room is kept for its header, the group's and the footer.
constexpr std::uint64_t batch_bytes_possible(std::uint64_t segment_bytes) {
    constexpr std::uint64_t overhead = 64U << 10;
    return segment_bytes - (overhead < segment_bytes / 2 ? overhead : segment_bytes / 2);
}

// ---- printing ----

struct Entry {
    std::string_view section;  // "memory", "listener.compact"
    std::string_view key;
    std::string_view value;   // as a configuration file takes it
    std::string_view origin;  // "default", "rivulet.conf:12", "--set", "[defaults]"
    bool reloadable = false;
};

class EntrySink {
public:
    virtual void on_entry(const Entry& entry) = 0;  // its texts live until the call returns

protected:
    ~EntrySink() = default;
};

class LineSink {
public:
    virtual void on_line(std::string_view line) = 0;  // without its end

protected:
    ~LineSink() = default;
};

// Every key of every section that is there, in the order of the table.
void list_entries(const Config& config, EntrySink& sink);
// The same as lines, "section.key = value", padded, and the origin.
void print_config(const Config& config, LineSink& sink);
// The commented sample: every key, its default, bounds, a line of why. config/rivulet.conf is this text.
void print_sample(LineSink& sink);

// ---- reloading ----

enum class Effect : std::uint8_t { applied, needs_restart };

struct Change {
    std::string_view section;
    std::string_view key;    // empty: the whole section came or went
    std::string_view before;  // empty for a section that came
    std::string_view after;   // empty for a section that went
    Effect effect{};
};

class ChangeSink {
public:
    virtual void on_change(const Change& change) = 0;  // its texts live until the call returns

protected:
    ~ChangeSink() = default;
};

// Takes over from `next` what may change at run time, and names every difference. Topic sections are taken as a whole. If what can be applied
// does not go together with what cannot, nothing is applied: invalid_config, and the problems say why.
Status reload(Config& running, const Config& next, ChangeSink& changes, ProblemSink& problems);

}  // namespace rivulet::config
