// What a connection sends, in order: encoded answers, with record batches straight from the store's memory in between, and answers that wait for a commit.
// Owns:     a lent output buffer while it has anything; the streams that are inserted, until they are sent.
// Bounds:   the buffer; at most two commits are not durable at a time, the one in flight and the open one, so two gates do.
// Guarantee: nothing behind a gate is sent before its ticket is durable.
// Thread:   loop only.
#pragma once

#include "env/network.h"
#include "server/lazy_pool.h"
#include "store/read_view.h"

namespace rivulet::server::kafka {

struct StreamTag;

// Record batches of one partition on their way to a client.
struct Stream : ListNode<Stream, StreamTag>, ListNode<Stream, LazyPoolTag> {
    store::ReadView view;
    std::size_t position = 0;    // in the output buffer: they follow what comes before
    std::size_t piece = 0;       // what was not handed to the connection yet
    std::size_t piece_done = 0;  // bytes of it
};

class StreamOwner {
public:
    // Nothing of it is needed any more.
    virtual void on_stream_sent(Stream& stream) = 0;
    // The next pieces of its view; false: they are gone, so that what was promised cannot be sent.
    virtual bool refill(Stream& stream) = 0;

protected:
    ~StreamOwner() = default;
};

class Outbox {
public:
    bool has_buffer() const { return !buffer_.empty(); }
    std::size_t capacity() const { return buffer_.size(); }
    std::size_t room() const { return buffer_.size() - used_; }
    std::size_t used() const { return used_; }
    bool empty() const { return sent_ == used_ && streams_.empty(); }
    bool waits_for_commit() const { return gate_count_ != 0; }
    std::uint64_t ticket() const { return gates_[0].ticket; }  // the next to wait for
    // Something may be handed to the connection now.
    bool ready() { return sent_ < open_end() || (streams_.front() && streams_.front()->position <= open_end()); }
    bool streaming() const { return !streams_.empty(); }
    Stream* stream() { return streams_.front(); }
    Stream* next_stream(Stream& stream) { return streams_.next(stream); }

    // A first buffer, or a larger one, into which what is there is copied; the one before comes back.
    MutableBytes adopt(MutableBytes buffer);
    // Only if empty().
    MutableBytes give_back();
    // Moves what is not sent to the front of the buffer. Not while the connection keeps some of it.
    void compact();

    MutableBytes free_room() { return buffer_.subspan(used_); }
    // A whole answer, or a part of one that goes on: sent once finish() has closed it.
    void written(std::size_t bytes) { used_ += static_cast<std::uint32_t>(bytes); }
    // The answer in hand began here: nothing of it is sent before finish().
    void begin_answer() { answer_ = used_; }
    // Of the last one that was finished, until something is moved.
    std::size_t last_answer() const { return last_answer_; }
    MutableBytes answer_so_far() { return buffer_.subspan(answer_, used_ - answer_); }
    bool answering() const { return answer_ != no_answer; }
    std::size_t answer_bytes() const { return answering() ? used_ - answer_ : 0; }
    // ticket 0: it waits for none.
    void finish_answer(std::uint64_t ticket, std::uint64_t durable_ticket);
    void drop_answer();
    // At this position of the buffer, which is that of the answer in hand's end or before it.
    void insert(Stream& stream, std::size_t position);

    // Opens gates. True if some did.
    bool settle(std::uint64_t durable_ticket);
    // Hands to the connection what can be. Bytes taken.
    std::size_t send(env::Connection& connection);
    // The connection keeps nothing any more: streams that are sent go. False: a refill failed.
    bool finish_streams(StreamOwner& owner);
    // The connection goes.
    void drop_streams(StreamOwner& owner);

private:
    static constexpr std::uint32_t no_answer = 0xffffffff;
    static constexpr std::size_t send_buffers_max = 192;
    struct Gate {
        std::uint64_t ticket = 0;
        std::uint32_t start = 0;
    };

    // What may be sent ends here.
    std::uint32_t open_end() const {
        const std::uint32_t closed = answer_ < used_ ? answer_ : used_;
        return gate_count_ != 0 && gates_[0].start < closed ? gates_[0].start : closed;
    }
    void note_sent(std::size_t taken);

    MutableBytes buffer_;
    std::uint32_t used_ = 0;
    std::uint32_t sent_ = 0;
    std::uint32_t answer_ = no_answer;
    std::uint32_t last_answer_ = 0;
    std::uint8_t gate_count_ = 0;
    Gate gates_[2];
    List<Stream, StreamTag> streams_;  // by position, which is above its answer's start
};

}  // namespace rivulet::server::kafka
