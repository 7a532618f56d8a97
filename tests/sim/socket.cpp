// The process's side of a socket.
#include "sim/socket.h"

#include <algorithm>

#include "sim/node_env.h"
#include "sim/world.h"

namespace rivulet::sim {

using SimCode = AllocationGuard::SimCode;

namespace {

std::uint8_t& byte_of(std::span<const MutableBytes> pieces, std::size_t index) {
    while (index >= pieces.front().size()) {
        index -= pieces.front().size();
        pieces = pieces.subspan(1);
    }
    return pieces.front()[index];
}

}  // namespace

void Socket::set_buffers(std::uint32_t send_bytes, std::uint32_t receive_bytes) {
    if (send_bytes != 0) send_buffer_max_ = send_bytes;
    if (receive_bytes != 0) receive_buffer_max_ = receive_bytes;
}

bool Socket::usable(const char* call) {
    if (!env_ || !env_->alive()) return false;
    if (!env_->allowed(call)) return false;
    if (phase_ == Phase::gone) {
        env_->violation(std::string(call) + "() on a connection after on_closed()");
        return false;
    }
    return phase_ == Phase::open || phase_ == Phase::connecting;
}

std::size_t Socket::send(std::span<const Bytes> buffers) {
    const SimCode scope;
    if (!usable("send")) return 0;
    if (phase_ == Phase::connecting || (handler_ && !connected_told_)) {
        env_->violation("send() before on_connected()");
        return 0;
    }
    if (sending()) {
        env_->violation("send() while sending()");
        return 0;
    }
    if (fin_wanted_) {
        env_->violation("send() after shutdown_sending()");
        return 0;
    }
    // On a connection that has failed the kernel takes nothing; what is kept goes with on_closed().
    Random& random = network_.random();
    std::size_t room = kernel_alive_ ? kernel_room() : 0;
    if (network_.world().options().network.split && random.chance(1, 16) && room != 0) {
        // Something at least, if nothing is on its way: only its arrival makes the kernel take more.
        room = static_cast<std::size_t>(random.between(out_.empty() ? 1 : 0, room));
    }
    std::size_t taken = 0;
    std::size_t i = 0;
    for (; i < buffers.size(); ++i) {
        const std::size_t n = std::min(room, buffers[i].size());
        out_.push(buffers[i].first(n));
        network_.world().trace(EventKind::send, &node_, buffers[i].first(n));
        taken += n;
        room -= n;
        if (n < buffers[i].size()) {
            take_kept(buffers.subspan(i), n, taken);
            break;
        }
    }
    if (error_ != Error::none && phase_ == Phase::open) close_soon(error_);
    pump();
    return taken;
}

void Socket::take_kept(std::span<const Bytes> buffers, std::size_t skip, std::size_t& taken) {
    for (const Bytes whole : buffers) {
        if (kept_.size() == env::send_buffers_kept_max) break;
        const Bytes rest = whole.subspan(skip);
        skip = 0;
        if (rest.empty()) continue;
        kept_.push_back(rest);
        kept_copy_.emplace_back(rest.begin(), rest.end());
        taken += rest.size();
    }
    kept_done_ = 0;
}

std::size_t Socket::unsent() const {
    std::size_t bytes = 0;
    for (const Bytes kept : kept_) bytes += kept.size();
    return bytes - kept_done_;
}

bool Socket::kept_intact() {
    for (std::size_t i = 0; i < kept_.size(); ++i) {
        if (equal(kept_[i], kept_copy_[i])) continue;
        env_->violation("a buffer that send() kept was changed before on_sent()");
        return false;
    }
    return true;
}

// The kernel has room again: takes more of what is kept.
void Socket::feed_kept() {
    if (!env_ || !env_->alive() || phase_ != Phase::open || kept_.empty() || !kept_intact()) return;
    std::size_t room = kernel_room();
    std::size_t skip = kept_done_;
    bool all = true;
    for (const std::vector<std::uint8_t>& copy_of : kept_copy_) {
        if (skip >= copy_of.size()) {
            skip -= copy_of.size();
            continue;
        }
        const Bytes rest = Bytes(copy_of).subspan(skip);
        skip = 0;
        const std::size_t n = std::min(room, rest.size());
        out_.push(rest.first(n));
        network_.world().trace(EventKind::send, &node_, rest.first(n));
        kept_done_ += n;
        room -= n;
        if (n < rest.size()) {
            all = false;
            break;
        }
    }
    if (!all || sent_posted_) return;
    sent_posted_ = true;
    env_->post_turn(static_cast<std::int64_t>(network_.random().below(50'000)), EventKind::sent, [this] { tell_sent(); });
}

void Socket::tell_sent() {
    sent_posted_ = false;
    if (phase_ != Phase::open || kept_.empty() || !kept_intact()) return;
    kept_.clear();
    kept_copy_.clear();
    env_->call([&] { handler_->on_sent(); });
    if (fin_wanted_) pump();
}

void Socket::pause_reading() {
    const SimCode scope;
    if (usable("pause_reading")) paused_ = true;
}

void Socket::resume_reading() {
    const SimCode scope;
    if (!usable("resume_reading")) return;
    paused_ = false;
    read_soon();
}

void Socket::read_soon() {
    if (!env_ || !env_->alive() || phase_ != Phase::open || !handler_ || !connected_told_ || paused_ || read_posted_) return;
    if (in_.empty() && !end_is_due()) return;
    read_posted_ = true;
    env_->post_turn(static_cast<std::int64_t>(network_.random().below(100'000)), EventKind::received, [this] { read_turn(); });
}

void Socket::read_turn() {
    read_posted_ = false;
    if (phase_ != Phase::open || paused_) return;
    if (in_.empty()) {
        if (error_ != Error::none) close_turn(error_);
        else if (fin_received_) close_turn(Error::end_of_file);
        return;
    }
    MutableBytes pieces[env::receive_pieces_max];
    std::size_t count = 0;
    env_->call([&] { count = handler_->receive_buffers(pieces); });
    if (phase_ != Phase::open) return;  // closed in there; on_closed() gives the buffers back
    if (count == 0) {
        paused_ = true;
        return;
    }
    const std::span<const MutableBytes> lent(pieces, count);
    std::size_t lent_bytes = 0;
    for (const MutableBytes piece : lent) {
        if (piece.empty()) return env_->violation("receive_buffers() lends an empty piece");
        lent_bytes += piece.size();
    }
    Random& random = network_.random();
    const bool split = network_.world().options().network.split;
    std::size_t n = std::min(lent_bytes, in_.size());
    if (split && random.chance(1, 64)) n = 0;
    else if (split && random.chance(1, 4)) n = static_cast<std::size_t>(random.between(1, n));
    Bytes received = in_.front(n);
    for (std::size_t i = 0; !received.empty(); ++i) {
        const std::size_t here = std::min(received.size(), lent[i].size());
        copy(received.first(here), lent[i]);
        received = received.subspan(here);
    }
    if (n < lent_bytes) byte_of(lent, static_cast<std::size_t>(random.between(n, lent_bytes - 1))) ^= 0x5a;  // beyond n there is anything
    network_.world().trace(EventKind::received, &node_, in_.front(n));
    in_.pop(n);
    env_->call([&] { handler_->on_received(n); });
    if (n != 0 && peer_) peer_->window_opened();
    read_soon();
}

void Socket::close() {
    const SimCode scope;
    if (!usable("close")) return;
    close_soon(Error::canceled);
}

void Socket::close_soon(Error reason) {
    if (phase_ == Phase::closing || phase_ == Phase::gone) return;
    const bool was_connecting = phase_ == Phase::connecting;
    phase_ = Phase::closing;
    if (was_connecting) kernel_alive_ = false;
    env_->post_turn(static_cast<std::int64_t>(network_.random().below(50'000)), EventKind::closed, [this, reason] { close_turn(reason); });
}

void Socket::close_turn(Error reason) {
    if (phase_ == Phase::gone) return;
    if (!kept_.empty()) (void)kept_intact();
    phase_ = Phase::closing;
    kept_.clear();
    kept_copy_.clear();
    // Nobody reads any more; what the kernel has to send still goes, then its end.
    in_.clear();
    if (kernel_alive_) {
        fin_wanted_ = true;
        pump();
    } else {
        out_.clear();
    }
    env::ConnectionHandler* handler = handler_;
    NodeEnv& env = *env_;
    env.call([&] { handler->on_closed(reason); });
    phase_ = Phase::gone;
    handler_ = nullptr;
    orphan_drained();
    if (peer_) peer_->window_opened();
    env.sockets().give_slot(*this);
}

void Socket::shutdown_sending() {
    const SimCode scope;
    if (!usable("shutdown_sending")) return;
    if (phase_ == Phase::connecting) {
        env_->violation("shutdown_sending() before on_connected()");
        return;
    }
    fin_wanted_ = true;
    pump();
}

void Socket::accepted(NodeEnv& env, env::ConnectionHandler* handler) {
    handler_ = handler;
    if (!handler) {
        phase_ = Phase::gone;
        in_.clear();
        fin_wanted_ = true;
        pump();
        orphan_drained();
        env.sockets().give_slot(*this);
        return;
    }
    connected_told_ = true;
    if (phase_ == Phase::closing) return;  // close() within on_accept()
    read_soon();
}

void Socket::process_ended(bool power) {
    const bool unread = !in_.empty();
    env_ = nullptr;
    handler_ = nullptr;
    const Phase phase = phase_;
    phase_ = Phase::gone;
    kept_.clear();
    kept_copy_.clear();
    in_.clear();
    if (power || !kernel_alive_) {
        lose_power();
    } else if (phase == Phase::connecting) {
        kernel_alive_ = false;
    } else if (unread) {
        send_reset();
    } else {
        fin_wanted_ = true;
        pump();
        orphan_drained();
    }
}

}  // namespace rivulet::sim
