// What consume does with records, wherever they come from.
#include "cli/consume.h"
#include "client/batches.h"

namespace rivulet::cli {

namespace {
constexpr std::int64_t look_ms = 200;  // how often the reader of our output and the pause are looked at
}  // namespace

int ConsumeRun::run() {
    const Interrupts interrupts(context_);
    last_message_ = context_.env.now();
    start();
    on_timer();
    while (!ended_ && context_.loop.run_once()) {
        if (interrupts.count() != 0) stop(exit_done);
        // Within a turn the clock stands still: it has not seen how long our own reader took.
        if (printed_) last_message_ = context_.env.now();
        printed_ = false;
    }
    return code_;
}

void ConsumeRun::stop(int code) {
    if (stopping_) return;
    code_ = code;
    stopping_ = true;
    stop_reading();
}

void ConsumeRun::ended(int code, const std::string& why) {
    ended_ = true;
    if (stopping_) return;
    code_ = code;
    output_.error(why);
}

Offset ConsumeRun::print(std::uint64_t partition, Bytes bytes, Offset from) {
    client::Batches batches(bytes, from, &decoder_.decoder());
    Offset printed = from;
    text_.clear();
    const auto full = [this] { return options_.messages_max != 0 && messages_ >= options_.messages_max; };
    while (!full()) {
        const auto record = batches.next();
        if (!record) break;
        options_.format.print(text_, options_.topic, partition, *record);
        printed = record->offset + 1;
        ++messages_;
        printed_ = true;
    }
    output_ << text_;
    output_.flush();
    if (output_.failed() || output_.gone()) {
        stop(output_.failed() ? exit_could_not : exit_done);
        return from;
    }
    if (batches.error() != Error::none) {
        output_.error(partition_text(partition) + ", offset " + std::to_string(batches.failed_at().value) + ": " + explain(fail(batches.error())));
        stop(exit_could_not);
        return printed;
    }
    if (!full()) return client::end_of_batches(bytes, from);
    stop(exit_done);
    return printed;
}

void ConsumeRun::tell_skipped(std::uint64_t partition, Offset from, Offset to) {
    output_.error(partition_text(partition) + ": offsets " + std::to_string(from.value) + " to " + std::to_string(to.value - 1) + " are gone, going on at " + std::to_string(to.value));
}

void ConsumeRun::tell_outage(const std::string& why) {
    if (outage_told_ || stopping_) return;
    outage_told_ = true;
    output_.error(why + "; trying again");
}

void ConsumeRun::on_timer() {
    const Instant now = context_.env.now();
    if (!stopping_ && output_.reader_has_gone()) return stop(exit_done);
    if (!stopping_ && options_.timeout_ms != 0 && now - last_message_ >= options_.timeout_ms * ns_per_ms) return stop(exit_done);
    const std::int64_t left = options_.timeout_ms == 0 ? look_ms : options_.timeout_ms - (now - last_message_) / ns_per_ms;
    context_.env.arm(*this, now + (left < look_ms ? left > 1 ? left : 1 : look_ms) * ns_per_ms);
}

}  // namespace rivulet::cli
