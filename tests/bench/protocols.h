// How each server of the part "peers" takes a reading that it has to acknowledge: what is queued, what comes back. Acknowledgements come in the order of the requests.
//   compact    PUT, or PUTB of so many readings, with a session: stored once, however often it is sent
//   redis      XADD stream * d VALUE; a stream for each partition
//   nats       PUB with a reply subject, to a JetStream stream that has a subject for each partition
//   mosquitto  PUBLISH with QoS 1 of MQTT 3.1.1; a topic for each partition
#pragma once

#include <memory>
#include <string>

#include "bench/connection.h"

namespace rivulet::bench {

class Protocol {
public:
    virtual ~Protocol() = default;
    // The handshake, on a socket that blocks. Puts go to these partitions, named by their place in the list.
    virtual void open(int fd, std::span<const std::size_t> partitions) = 0;
    // Queues one request; false: the server grants no more now. `out` has request_bytes_max of room.
    virtual bool put(Writer& out, std::size_t place, Bytes value, Timestamp time) = 0;
    // Bytes consumed of what arrived; adds to the requests that were acknowledged.
    virtual std::size_t take(Bytes received, std::uint64_t& acked) = 0;
};
constexpr std::size_t request_bytes_max = 64 * 1024;

namespace blocking {

inline void send(int fd, Bytes bytes) {
    if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) die("send: %s", std::strerror(errno));
}
inline void send(int fd, std::string_view text) { send(fd, as_bytes(text)); }
// Reads until the answer holds this.
inline void expect(int fd, std::string_view wanted) {
    std::string got;
    char some[4096];
    while (got.find(wanted) == std::string::npos) {
        const ssize_t n = ::recv(fd, some, sizeof some, 0);
        if (n <= 0) die("handshake: %.200s", got.c_str());
        got.append(some, static_cast<std::size_t>(n));
    }
}

}  // namespace blocking

// A line that ends with \r\n, without that; nullptr data: not all of it is there.
inline std::string_view line_of(Bytes received) {
    const void* const end = std::memchr(received.data(), '\n', received.size());
    if (!end) return {};
    return {reinterpret_cast<const char*>(received.data()), static_cast<std::size_t>(static_cast<const std::uint8_t*>(end) - received.data()) - 1};
}

class Compact final : public Protocol {
public:
    Compact(std::string topic, std::size_t connection, std::size_t pack) : topic_(std::move(topic)), connection_(connection), pack_(pack) {}

    void open(int fd, std::span<const std::size_t> partitions) override {
        std::vector<std::uint8_t> storage(partitions.size() * 64 + 1024);
        Writer out(storage);
        compact::Open open;
        open.features = compact::feature::integrity;
        open.session = 7000 + connection_;
        open.incarnation = fresh_incarnation();
        open.base_time = wall_ms();
        open.frame_bytes_max = 4096;
        open.name = "bench";
        compact::encode_open(out, sum_, open);
        puts_ = compact::PutState(open);
        blocking::send(fd, out.written());
        out.rewind(0);
        for (std::uint8_t some[4096]; !opened_;) {
            const ssize_t n = ::recv(fd, some, sizeof some, 0);
            if (n <= 0) die("no answer to OPEN");
            std::uint64_t acked = 0;
            if (take(Bytes(some).first(static_cast<std::size_t>(n)), acked) != static_cast<std::size_t>(n)) die("half an answer to OPEN");
        }
        for (std::size_t i = 0; i < partitions.size(); ++i) {
            compact::Alias alias;
            alias.id = i;
            alias.placement = compact::Placement::partition;
            alias.topic = topic_;
            alias.partition = partitions[i];
            compact::encode_alias(out, sum_, alias);
        }
        blocking::send(fd, out.written());
    }

    bool put(Writer& out, std::size_t place, Bytes value, Timestamp time) override {
        compact::Reading reading;
        reading.stamped = true;
        reading.time = time;
        reading.value = value;
        if (pack_ == 1) return compact::encode_put(out, sum_, puts_, place, reading).ok();
        const std::size_t before = out.size();
        compact::PackedPutEncoder encoder(out, sum_, puts_, place, request_bytes_max);
        while (encoder.count() < pack_ && encoder.add(reading)) {}
        if (encoder.count() == pack_) encoder.finish();
        else out.rewind(before);
        return encoder.count() == pack_;
    }

    std::size_t take(Bytes received, std::uint64_t& acked) override {
        const std::uint64_t before = puts_.acked() / pack_;
        std::size_t begin = 0;
        while (begin < received.size()) {
            const compact::FrameReader::Step step = reader_.next(received.subspan(begin));
            if (step.outcome == compact::FrameReader::Outcome::need_more) break;
            if (step.outcome == compact::FrameReader::Outcome::failed) die("bad frame: %s", error_info(step.failure.error).name);
            take(step.frame);
            begin += step.bytes;
        }
        acked += puts_.acked() / pack_ - before;
        return begin;
    }

private:
    void take(const compact::FrameView& frame) {
        if (frame.kind == compact::Kind::open) {
            const auto answer = compact::decode_opened(frame.body, frame.flags);
            if (!answer || answer->session_state != compact::SessionState::fresh) die("bad answer to OPEN");
            puts_.grant(answer->credit);
            reader_.set_frame_bytes_max(4096);
            opened_ = true;
        } else if (frame.kind == compact::Kind::ack) {
            const auto ack = compact::decode_ack(frame, puts_);
            if (!ack || ack->refusal.count != 0) die("a reading was refused");
        } else {
            die("unexpected frame of kind %d", static_cast<int>(frame.kind));
        }
    }

    std::string topic_;
    std::size_t connection_;
    std::size_t pack_;
    compact::RunningCrc sum_;
    compact::PutState puts_;
    compact::FrameReader reader_{compact::Side::broker};
    bool opened_ = false;
};

// The head of a request, then how many bytes the value has, then the value: Redis' bulk string and NATS' payload alike.
inline void put_counted(Writer& out, std::string_view head, Bytes value) {
    out.bytes(as_bytes(head));
    out.bytes(as_bytes(std::to_string(value.size())));
    out.bytes(as_bytes("\r\n"));
    out.bytes(value);
    out.bytes(as_bytes("\r\n"));
}

class Redis final : public Protocol {
public:
    void open(int fd, std::span<const std::size_t> partitions) override {
        for (const std::size_t p : partitions) {
            const std::string key = "bench:" + std::to_string(p);
            heads_.push_back("*5\r\n$4\r\nXADD\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n$1\r\n*\r\n$1\r\nd\r\n$");
        }
        blocking::send(fd, "PING\r\n");
        blocking::expect(fd, "+PONG\r\n");
    }
    bool put(Writer& out, std::size_t place, Bytes value, Timestamp) override {
        put_counted(out, heads_[place], value);
        return true;
    }
    // "$15\r\n1700000000000-0\r\n"
    std::size_t take(Bytes received, std::uint64_t& acked) override {
        std::size_t begin = 0;
        while (begin < received.size()) {
            const std::string_view line = line_of(received.subspan(begin));
            if (line.empty()) break;
            if (line[0] != '$') die("redis says %.*s", static_cast<int>(line.size()), line.data());
            const std::size_t end = begin + line.size() + 2 + std::strtoul(line.data() + 1, nullptr, 10) + 2;
            if (end > received.size()) break;
            begin = end;
            ++acked;
        }
        return begin;
    }

private:
    std::vector<std::string> heads_;
};

class Nats final : public Protocol {
public:
    explicit Nats(std::size_t connection) : inbox_("_INBOX." + std::to_string(connection)) {}

    void open(int fd, std::span<const std::size_t> partitions) override {
        for (const std::size_t p : partitions) heads_.push_back("PUB bench." + std::to_string(p) + " " + inbox_ + " ");
        blocking::expect(fd, "\r\n");
        blocking::send(fd, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB " + inbox_ + " 1\r\n");
        // Every connection says so; the stream is there after the first.
        const std::string stream = "{\"name\":\"BENCH\",\"subjects\":[\"bench.>\"],\"storage\":\"file\",\"retention\":\"limits\",\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,"
                                   "\"max_age\":0,\"max_msg_size\":-1,\"discard\":\"old\",\"num_replicas\":1}";
        blocking::send(fd, "PUB $JS.API.STREAM.CREATE.BENCH " + inbox_ + " " + std::to_string(stream.size()) + "\r\n" + stream + "\r\n");
        blocking::expect(fd, "\"config\"");
        blocking::send(fd, "PING\r\n");
        blocking::expect(fd, "PONG\r\n");
    }
    bool put(Writer& out, std::size_t place, Bytes value, Timestamp) override {
        put_counted(out, heads_[place], value);
        return true;
    }
    // "MSG _INBOX.0 1 33\r\n{"stream":"BENCH","seq":7}\r\n"
    std::size_t take(Bytes received, std::uint64_t& acked) override {
        std::size_t begin = 0;
        while (begin < received.size()) {
            const std::string_view line = line_of(received.subspan(begin));
            if (line.empty()) break;
            if (line[0] == '-') die("nats says %.*s", static_cast<int>(line.size()), line.data());
            std::size_t end = begin + line.size() + 2;
            if (line[0] == 'M') {
                const std::size_t size = std::strtoul(line.data() + line.rfind(' ') + 1, nullptr, 10);
                if (end + size + 2 > received.size()) break;
                const std::string_view body = as_text(received.subspan(end, size));
                if (body.find("\"seq\"") == std::string_view::npos) die("nats says %.*s", static_cast<int>(body.size()), body.data());
                end += size + 2;
                ++acked;
            }
            begin = end;
        }
        return begin;
    }

private:
    std::string inbox_;
    std::vector<std::string> heads_;
};

class Mqtt final : public Protocol {
public:
    explicit Mqtt(std::size_t connection) : connection_(connection) {}

    void open(int fd, std::span<const std::size_t> partitions) override {
        for (const std::size_t p : partitions) topics_.push_back("bench/" + std::to_string(p));
        std::uint8_t storage[64];
        Writer out(storage);
        const std::string client = "bench" + std::to_string(connection_);
        out.u8(0x10);  // CONNECT, a clean session
        out.u8(static_cast<std::uint8_t>(12 + client.size()));
        text(out, "MQTT");
        out.u8(4);
        out.u8(2);
        out.be<std::uint16_t>(0);
        text(out, client);
        blocking::send(fd, out.written());
        std::uint8_t answer[4];
        if (::recv(fd, answer, sizeof answer, MSG_WAITALL) != 4 || answer[0] != 0x20 || answer[3] != 0) die("mosquitto takes no connection");
    }
    bool put(Writer& out, std::size_t place, Bytes value, Timestamp) override {
        out.u8(0x32);  // PUBLISH, QoS 1
        out.varint(2 + topics_[place].size() + 2 + value.size());
        text(out, topics_[place]);
        out.be(packet_id_);
        packet_id_ = static_cast<std::uint16_t>(packet_id_ % 65535 + 1);
        out.bytes(value);
        return true;
    }
    std::size_t take(Bytes received, std::uint64_t& acked) override {
        const std::size_t whole = received.size() / 4;
        for (std::size_t i = 0; i < whole; ++i)
            if (received[i * 4] != 0x40) die("mosquitto sends a packet 0x%02x", received[i * 4]);
        acked += whole;
        return whole * 4;
    }

private:
    static void text(Writer& out, std::string_view from) {
        out.be(static_cast<std::uint16_t>(from.size()));
        out.bytes(as_bytes(from));
    }

    std::size_t connection_;
    std::vector<std::string> topics_;
    std::uint16_t packet_id_ = 1;
};

inline std::unique_ptr<Protocol> make_protocol(const std::string& name, const std::string& topic, std::size_t connection, std::size_t pack) {
    if (name == "compact") return std::make_unique<Compact>(topic, connection, pack);
    if (pack != 1) die("only the compact framing packs readings");
    if (name == "redis") return std::make_unique<Redis>();
    if (name == "nats") return std::make_unique<Nats>(connection);
    if (name == "mosquitto") return std::make_unique<Mqtt>(connection);
    die("no protocol %s", name.c_str());
}

}  // namespace rivulet::bench
