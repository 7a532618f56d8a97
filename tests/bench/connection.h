// One compact connection of the load generator, over a plain socket that does not block, with the frames of src/wire.
// Owns:     the socket, a buffer per direction, what both ends know of its puts.
// Bounds:   out_bytes queued to send; an answer of frame_bytes_max.
// Errors:   anything that a benchmark does not expect ends the process with a line on stderr.
// Thread:   one. The caller polls fd(): on_readable(), on_writable() while wants_to_write().
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "bench/measure.h"
#include "wire/compact/admin_frames.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/put_state.h"

namespace rivulet::bench {

namespace compact = wire::compact;

// Another one each time: a session is told apart from its like of an earlier run, whose readings it would otherwise seem to send again.
inline std::uint32_t fresh_incarnation() { return static_cast<std::uint32_t>(seconds_of(CLOCK_BOOTTIME) * 1e6); }
inline Timestamp wall_ms() { return Timestamp(static_cast<std::int64_t>(seconds_of(CLOCK_REALTIME) * 1e3)); }

// The listening port on the loopback, tried until `deadline`; -1 if nobody listens.
inline int connect_loopback(std::uint16_t port, double deadline) {
    for (;;) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) die("socket: errno %d", errno);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return fd;
        ::close(fd);
        if (now() >= deadline) return -1;
        const timespec pause{0, 500'000};
        ::nanosleep(&pause, nullptr);
    }
}

class Connection {
public:
    // What arrives, frame by frame; views are valid during the call.
    class Handler {
    public:
        virtual void on_ack(Connection&, const compact::Ack&) {}
        virtual void on_answer(Connection&, compact::Kind, std::uint64_t /*correlation*/, const compact::Answer&) {}

    protected:
        ~Handler() = default;
    };

    static constexpr std::size_t out_bytes = 512 * 1024;
    static constexpr std::size_t shared_bytes = 256 * 1024;

    // Connects and queues OPEN. session 0: none.
    Connection(std::uint16_t port, std::uint64_t session, std::size_t frame_bytes_max, double deadline = 0)
        : fd_(connect_loopback(port, deadline)), out_storage_(out_bytes), out_(out_storage_), in_(frame_bytes_max + shared_bytes) {
        if (fd_ < 0) die("nobody listens on port %u", port);
        const int one = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
        reader_.set_frame_bytes_max(compact::frame_bytes_before_open);
        frame_bytes_in_ = frame_bytes_max;
        compact::Open open;
        open.features = compact::feature::integrity;
        open.session = session;
        open.incarnation = fresh_incarnation();
        open.base_time = wall_ms();
        open.frame_bytes_max = frame_bytes_max;
        open.name = "bench";
        compact::encode_open(out_, sum_, open);
        puts_ = compact::PutState(open);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { ::close(fd_); }

    int fd() const { return fd_; }
    bool opened() const { return opened_; }
    std::size_t frame_bytes_max() const { return frame_bytes_out_; }  // that the broker takes
    const compact::PutState& puts() const { return puts_; }
    std::uint64_t bytes_received() const { return bytes_received_; }
    bool tolerant = false;           // of the broker's end of the connection, which is then gone()
    bool is_gone() const { return gone_; }
    std::size_t index = 0;           // for the caller

    // --- queueing; flush() sends.
    void alias(std::uint64_t id, std::string_view topic, std::uint64_t partition) {
        compact::Alias alias;
        alias.id = id;
        alias.placement = compact::Placement::partition;
        alias.topic = topic;
        alias.partition = partition;
        compact::encode_alias(out_, sum_, alias);
        if (!out_.ok()) die("too many aliases at once");
    }
    // False: no credit or no room now.
    bool put(std::uint64_t alias, Bytes value) {
        const compact::Reading reading = stamped(value);
        const Status status = compact::encode_put(out_, sum_, puts_, alias, reading);
        if (!status && status.error() != Error::credit_exceeded && status.error() != Error::busy) die("cannot put: %s", error_info(status.error()).name);
        return status.ok();
    }
    // As many readings of one value as fit into a frame of at most so many bytes; their number.
    std::size_t put_packed(std::uint64_t alias, Bytes value, std::size_t frame_bytes) {
        const std::size_t before = out_.size();
        compact::PackedPutEncoder encoder(out_, sum_, puts_, alias, std::min(frame_bytes, frame_bytes_out_));
        const compact::Reading reading = stamped(value);
        while (encoder.add(reading)) {}
        const std::size_t count = encoder.count();
        if (count == 0) out_.rewind(before);
        else encoder.finish();
        return count;
    }
    void fetch(std::uint64_t correlation, const compact::Fetch& fetch) {
        compact::encode_fetch(out_, correlation, fetch);
        if (!out_.ok()) die("no room for a fetch");
    }
    Writer& out() { return out_; }

    // --- the socket
    bool wants_to_write() const { return sent_ < out_.size() && !gone_; }
    void flush() {
        while (wants_to_write()) {
            const ssize_t n = ::send(fd_, out_storage_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
            if (n < 0) {
                if (errno == EAGAIN || errno == EINTR) return;
                fail_to_send(errno);
                return;
            }
            sent_ += static_cast<std::size_t>(n);
        }
        sent_ = 0;
        out_.rewind(0);
    }
    // Takes what is there, all of it or one buffer. What is whole is digested where it arrived, in a buffer that all connections share; only the beginning of a frame
    // that goes on is kept here.
    void on_readable(Handler& handler) {
        static std::vector<std::uint8_t> arrivals(shared_bytes);
        const bool direct = in_end_ == 0;
        MutableBytes into = direct ? MutableBytes(arrivals) : MutableBytes(in_).subspan(in_end_);
        const ssize_t n = ::recv(fd_, into.data(), into.size(), 0);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR) gone("recv", errno);
            return;
        }
        if (n == 0) return gone("recv", 0);
        bytes_received_ += static_cast<std::size_t>(n);
        const Bytes received = direct ? Bytes(into.first(static_cast<std::size_t>(n))) : Bytes(in_).first(in_end_ + static_cast<std::size_t>(n));
        const std::size_t done = digest(received, handler);
        in_end_ = received.size() - done;
        if (in_end_ != 0) std::memmove(in_.data(), received.data() + done, in_end_);
    }
    // Waits until the condition holds.
    template <class Condition>
    void wait(Handler& handler, Condition condition, double seconds = 30) {
        const double deadline = now() + seconds;
        flush();
        while (!condition()) {
            if (now() > deadline) die("no answer within %.0f s", seconds);
            pollfd poll{fd_, static_cast<short>(wants_to_write() ? POLLIN | POLLOUT : POLLIN), 0};
            ::poll(&poll, 1, 1000);
            if ((poll.revents & POLLOUT) != 0) flush();
            if ((poll.revents & (POLLIN | POLLHUP | POLLERR)) != 0) on_readable(handler);
            flush();
        }
    }

private:
    static compact::Reading stamped(Bytes value) {
        compact::Reading reading;
        reading.stamped = true;
        reading.time = wall_ms();
        reading.value = value;
        return reading;
    }

    // The broker may have said why, which is then what to print.
    void fail_to_send(int error) {
        struct Nobody final : Handler {} nobody;
        if (!tolerant) on_readable(nobody);
        gone("send", error);
    }
    void gone(const char* what, int error) {
        if (!tolerant) die("%s: %s", what, error == 0 ? "the broker closed the connection" : std::strerror(error));
        gone_ = true;
    }

    // Bytes of whole frames.
    std::size_t digest(Bytes received, Handler& handler) {
        std::size_t begin = 0;
        while (begin < received.size()) {
            const compact::FrameReader::Step step = reader_.next(received.subspan(begin));
            if (step.outcome == compact::FrameReader::Outcome::failed) die("bad frame: %s", error_info(step.failure.error).name);
            if (step.outcome == compact::FrameReader::Outcome::need_more) break;
            take(step.frame, handler);
            begin += step.bytes;
        }
        return begin;
    }

    void take(const compact::FrameView& frame, Handler& handler) {
        switch (frame.kind) {
            case compact::Kind::open: {
                const Result<compact::Opened> answer = compact::decode_opened(frame.body, frame.flags);
                if (!answer) die("bad answer to OPEN");
                puts_.grant(answer.value().credit);
                frame_bytes_out_ = static_cast<std::size_t>(answer.value().frame_bytes_max);
                reader_.set_frame_bytes_max(frame_bytes_in_);
                opened_ = true;
                return;
            }
            case compact::Kind::alias: {
                const Result<compact::Aliased> answer = compact::decode_aliased(frame.body);
                if (!answer || answer.value().error != Error::none) die("an alias was refused");
                return;
            }
            case compact::Kind::ack: {
                const Result<compact::Ack> ack = compact::decode_ack(frame, puts_);
                if (!ack) die("bad ACK: %s", error_info(ack.error()).name);
                if (ack.value().refusal.count != 0) die("a reading was refused: %s", error_info(ack.value().refusal.error).name);
                return handler.on_ack(*this, ack.value());
            }
            case compact::Kind::error: {
                const Result<compact::FatalError> error = compact::decode_error(frame.body);
                if (!error) die("bad ERROR");
                if (tolerant) return;
                die("the broker says %s (%lld) %.*s", error_info(error.value().error).name, static_cast<long long>(error.value().detail),
                    static_cast<int>(error.value().text.size()), error.value().text.data());
            }
            case compact::Kind::close:
                if (!tolerant) die("the broker said CLOSE");
                return;
            case compact::Kind::ping:
            case compact::Kind::pong: return;
            default: {
                const Result<compact::Answer> answer = compact::decode_answer(frame.body);
                if (!answer) die("bad answer");
                return handler.on_answer(*this, frame.kind, frame.correlation, answer.value());
            }
        }
    }

    int fd_;
    std::vector<std::uint8_t> out_storage_;
    Writer out_;
    std::size_t sent_ = 0;
    std::vector<std::uint8_t> in_;
    std::size_t in_end_ = 0;
    std::size_t frame_bytes_in_ = 0;
    std::size_t frame_bytes_out_ = compact::frame_bytes_least;
    std::uint64_t bytes_received_ = 0;
    compact::FrameReader reader_{compact::Side::broker};
    compact::RunningCrc sum_;
    compact::PutState puts_;
    bool opened_ = false;
    bool gone_ = false;
};

}  // namespace rivulet::bench
