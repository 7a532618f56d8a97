#include "server/kafka/outbox.h"

#include <algorithm>

namespace rivulet::server::kafka {

MutableBytes Outbox::adopt(MutableBytes buffer) {
    RIVULET_CHECK(buffer.size() >= used_);
    const MutableBytes before = buffer_;
    copy(Bytes(before).first(used_), buffer);
    buffer_ = buffer;
    return before;
}

MutableBytes Outbox::give_back() {
    RIVULET_CHECK(empty() && !answering());
    const MutableBytes buffer = buffer_;
    buffer_ = {};
    used_ = sent_ = 0;
    return buffer;
}

void Outbox::compact() {
    if (sent_ == 0) return;
    std::memmove(buffer_.data(), buffer_.data() + sent_, used_ - sent_);
    for (std::size_t i = 0; i < gate_count_; ++i) gates_[i].start -= sent_;
    for (Stream* at = streams_.front(); at; at = streams_.next(*at)) at->position -= sent_;
    if (answering()) answer_ -= sent_;
    used_ -= sent_;
    sent_ = 0;
}

void Outbox::finish_answer(std::uint64_t ticket, std::uint64_t durable_ticket) {
    settle(durable_ticket);
    if (ticket > durable_ticket && (gate_count_ == 0 || ticket > gates_[gate_count_ - 1].ticket)) {
        RIVULET_CHECK(gate_count_ < 2);
        gates_[gate_count_++] = {ticket, answer_};
    }
    last_answer_ = answer_;
    answer_ = no_answer;
}

void Outbox::drop_answer() {
    used_ = answer_;
    answer_ = no_answer;
}

void Outbox::insert(Stream& stream, std::size_t position) {
    stream.position = position;
    stream.piece = stream.piece_done = 0;
    streams_.push_back(stream);
}

bool Outbox::settle(std::uint64_t durable_ticket) {
    const std::uint8_t before = gate_count_;
    while (gate_count_ != 0 && gates_[0].ticket <= durable_ticket) {
        gates_[0] = gates_[1];
        --gate_count_;
    }
    return gate_count_ != before;
}

std::size_t Outbox::send(env::Connection& connection) {
    Bytes buffers[send_buffers_max];
    std::size_t count = 0;
    std::size_t position = sent_;
    const std::size_t end = open_end();
    const auto add_output = [&](std::size_t to) {
        if (position < to) buffers[count++] = Bytes(buffer_).subspan(position, to - position);
        position = std::max(position, to);
    };
    bool whole = true;
    for (Stream* at = streams_.front(); at && at->position <= end && whole; at = streams_.next(*at)) {
        if (count + 2 + store::ReadView::pieces_max > send_buffers_max) {
            whole = false;
            break;
        }
        add_output(at->position);
        for (std::size_t i = at->piece; i < at->view.piece_count; ++i) buffers[count++] = at->view.pieces[i].subspan(i == at->piece ? at->piece_done : 0);
        whole = !at->view.more();
    }
    if (whole) add_output(end);
    if (count == 0) return 0;
    const std::size_t taken = connection.send({buffers, count});
    note_sent(taken);
    return taken;
}

// So much of the buffer and of the batches in between was handed to the connection.
void Outbox::note_sent(std::size_t taken) {
    const auto take_output = [&](std::size_t end) {
        const std::size_t n = sent_ < end ? std::min(end - sent_, taken) : 0;
        sent_ += static_cast<std::uint32_t>(n);
        taken -= n;
    };
    for (Stream* at = streams_.front(); at && taken != 0; at = streams_.next(*at)) {
        take_output(at->position);
        while (taken != 0 && at->piece != at->view.piece_count) {
            const std::size_t left = at->view.pieces[at->piece].size() - at->piece_done;
            const std::size_t n = std::min(left, taken);
            at->piece_done += n;
            taken -= n;
            if (n == left) {
                ++at->piece;
                at->piece_done = 0;
            }
        }
    }
    take_output(used_);
}

bool Outbox::finish_streams(StreamOwner& owner) {
    while (Stream* const first = streams_.front()) {
        if (first->position > sent_ || first->piece != first->view.piece_count) return true;
        if (first->view.more()) {
            // One batch of more pieces than a view holds: the rest takes their place.
            first->piece = first->piece_done = 0;
            return owner.refill(*first);
        }
        List<Stream, StreamTag>::remove(*first);
        owner.on_stream_sent(*first);
    }
    return true;
}

void Outbox::drop_streams(StreamOwner& owner) {
    while (Stream* const first = streams_.pop_front()) owner.on_stream_sent(*first);
    gate_count_ = 0;
    answer_ = no_answer;
    sent_ = used_;
}

}  // namespace rivulet::server::kafka
