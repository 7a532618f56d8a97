#include "cli/produce_run.h"

namespace rivulet::cli {

namespace {

constexpr std::size_t largest_frame = (1U << 20) + (64U << 10);  // a broker's limits.frame_bytes is at most 1M
constexpr std::size_t window_bytes = 4U << 20;
constexpr std::size_t refusals_told_max = 10;
constexpr std::int64_t progress_ms = 250;
constexpr std::int64_t stalled_ns = 5 * ns_per_s;  // until it is told that nothing is acknowledged

std::string lines_text(std::uint64_t first, std::uint64_t count) {
    return count == 1 ? "line " + std::to_string(first) : "lines " + std::to_string(first) + " to " + std::to_string(first + count - 1);
}

std::uint32_t random_incarnation(env::Env& env) {
    std::uint8_t bytes[4];
    env.entropy(bytes);
    return load_le<std::uint32_t>(bytes);
}

std::uint64_t random_session(env::Env& env) {
    std::uint8_t bytes[8];
    env.entropy(bytes);
    return load_le<std::uint64_t>(bytes) | 1U;
}

}  // namespace

ProduceRun::ProduceRun(CliContext& context, Output& output, const ProduceOptions& options)
    : context_(context), output_(output), options_(options), memory_(client::Producer::memory_bytes(producer_options())),
      producer_(context.env, producer_options(), memory_.arena(), *this) {
    std::vector<client::protocol::Header> headers;
    std::size_t bytes = 0;
    for (const auto& [name, value] : options.headers) {
        headers.push_back({name, true, as_bytes(value)});
        bytes += name.size() + value.size() + 2 * varint_bytes_max;
    }
    header_bytes_.resize(bytes);
    Writer writer(header_bytes_);
    if (!headers.empty()) headers_ = client::protocol::encode_headers(writer, headers);
}

ProduceRun::~ProduceRun() {
    if (armed()) context_.env.disarm(*this);
}

client::ProducerOptions ProduceRun::producer_options() const {
    client::ProducerOptions options;
    options.channel.send_bytes = largest_frame;
    options.channel.name = "rivulet produce";
    options.window_bytes = window_bytes;
    options.retry_ms = options_.retry_ms;
    options.session = options_.session != 0 ? options_.session : random_session(context_.env);
    options.incarnation = random_incarnation(context_.env);
    options.alias = options_.alias;
    return options;
}

int ProduceRun::run() {
    const Interrupts interrupts(context_);
    producer_.start(options_.bootstrap);
    while (!ended_ && context_.loop.run_once())
        if (interrupts.count() > interrupts_seen_) handle_interrupts(interrupts.count());
    if (input_) input_->close();
    while (input_ && context_.loop.run_once()) {}
    return conclude();
}

void ProduceRun::handle_interrupts(int count) {
    interrupts_seen_ = count;
    if (ended_) return;
    if (count > 1 || !producer_.ready()) return producer_.abandon();
    stop_input({}, exit_done);
}

// Reads no more; what was taken is still to be acknowledged.
void ProduceRun::stop_input(std::string_view why, int code) {
    if (finishing_) return;
    if (!why.empty()) output_.error(why);
    code_ = code;
    finishing_ = true;
    if (input_) input_->close();
    producer_.finish();
}

// ---- the producer ----

void ProduceRun::on_ready(std::size_t reading_bytes_max) {
    outage_told_ = false;
    lines_.emplace(reading_bytes_max);
    input_ = &context_.process.read_standard_input(*this);
    shows_progress_ = context_.process.standard_error_is_terminal() && !context_.process.standard_input_is_terminal();
    if (!options_.quiet) on_timer();
}

void ProduceRun::on_settled() {
    while (!refusals_.empty() && refusals_.front().first <= producer_.settled()) {
        Refusal& refusal = refusals_.front();
        const std::uint64_t settled = producer_.settled() - refusal.first + 1;
        const std::uint64_t n = settled < refusal.count ? settled : refusal.count;
        refused_settled_ += n;
        refusal.first += n;
        refusal.count -= n;
        if (refusal.count == 0) refusals_.pop_front();
    }
    if (options_.print_acks && acknowledged() != acknowledged_told_) {
        acknowledged_told_ = acknowledged();
        output_ << acknowledged_told_ << '\n';
        output_.flush();
    }
    if (!waiting_) return;
    waiting_ = false;
    take_lines();
    if (!waiting_ && input_ && !finishing_) input_->resume_reading();
}

void ProduceRun::on_refused(std::uint64_t first, std::uint64_t count, Error error) {
    // After a broken connection the broker refuses the same reading again.
    if (first + count - 1 <= refused_to_) return;
    if (first <= refused_to_) {
        count -= refused_to_ + 1 - first;
        first = refused_to_ + 1;
    }
    refused_to_ = first + count - 1;
    refused_ += count;
    refusals_.push_back({first, count});
    if (refusals_told_++ < refusals_told_max) output_.error(lines_text(first, count) + " not stored: " + explain(fail(error)));
    else if (refusals_told_ == refusals_told_max + 1) output_.error("more lines were not stored; only their number follows");
}

void ProduceRun::on_interrupted(const client::Ending& ending) {
    if (outage_told_) return;
    outage_told_ = true;
    if (!options_.quiet) output_.error(explain(ending) + "; trying again");
}

void ProduceRun::on_resumed() {
    outage_told_ = false;
    if (!options_.quiet) output_.error("connected again, " + std::to_string(acknowledged()) + " lines acknowledged so far");
}

void ProduceRun::on_forgotten() {
    output_.error("the broker has forgotten this session: lines after " + std::to_string(producer_.settled()) + " that were under way may be stored twice");
}

void ProduceRun::on_ended(const client::Ending& ending, bool about_topic) {
    ended_ = true;
    about_topic_ = about_topic;
    ending_ = ending;
    ending_text_ = ending.text;
    ending_.text = ending_text_;
}

// ---- standard input ----

MutableBytes ProduceRun::receive_buffer() {
    if (waiting_ || finishing_) return {};
    return lines_->space();
}

void ProduceRun::on_received(std::size_t n) {
    if (n == 0 || finishing_) return;
    lines_->added(n);
    take_lines();
}

void ProduceRun::on_closed(Error reason) {
    input_ = nullptr;
    if (finishing_) return;
    if (reason != Error::end_of_file && reason != Error::canceled)
        return stop_input("standard input: " + explain(fail(reason)), exit_could_not);
    input_ended_ = true;
    lines_->finish();
    if (!waiting_) take_lines();
}

void ProduceRun::take_lines() {
    if (finishing_) return;
    while (const auto line = lines_->line()) {
        if (!take_line(*line)) break;
        lines_->drop();
    }
    if (finishing_) return;
    if (lines_->too_long())
        return stop_input("line " + std::to_string(lines_taken_ + 1) + ": longer than the " + std::to_string(producer_.reading_bytes_max()) +
                              " bytes that the broker takes in one record",
                          exit_no);
    producer_.flush();
    if (input_ended_ && lines_->at_end()) {
        finishing_ = true;
        producer_.finish();
    }
}

// False: it is to be offered again when there is room, or it cannot be taken and the input ends here.
bool ProduceRun::take_line(std::string_view line) {
    client::protocol::Reading reading;
    reading.headers = headers_;
    reading.has_key = options_.has_key;
    reading.key = as_bytes(options_.key);
    std::string_view value = line;
    if (!options_.separator.empty()) {
        const std::size_t at = line.find(options_.separator);
        if (at != std::string_view::npos) {
            reading.has_key = true;
            reading.key = as_bytes(line.substr(0, at));
            value = line.substr(at + options_.separator.size());
        } else if (!options_.ignore_missing_key) {
            stop_input("line " + std::to_string(lines_taken_ + 1) + ": no separator \"" + options_.separator +
                           "\" (--ignore-missing-key takes such lines as records without a key)",
                       exit_usage);
            return false;
        }
    }
    reading.value = as_bytes(value);
    const std::size_t bytes = reading.key.size() + reading.value.size() + reading.headers.encoded().size();
    if (bytes > producer_.reading_bytes_max()) {
        stop_input("line " + std::to_string(lines_taken_ + 1) + ": " + std::to_string(bytes) + " bytes, the broker takes " +
                       std::to_string(producer_.reading_bytes_max()) + " in one record",
                   exit_no);
        return false;
    }
    waiting_ = !producer_.offer(reading);
    if (waiting_) return producer_.flush(), false;
    ++lines_taken_;
    return true;
}

// ---- the end ----

void ProduceRun::on_timer() {
    if (shows_progress_) output_.progress(std::to_string(producer_.sent()) + " sent, " + std::to_string(acknowledged()) + " acknowledged");
    tell_stall();
    context_.env.arm(*this, context_.env.now() + progress_ms * ns_per_ms);
}

// A broker that has no room, or a topic that takes no more, is waited for, whatever it takes.
void ProduceRun::tell_stall() {
    const Instant now = context_.env.now();
    if (producer_.settled() != settled_seen_ || producer_.sent() == producer_.settled()) {
        settled_seen_ = producer_.settled();
        settled_at_ = now;
        stall_told_ = false;
    }
    if (stall_told_ || outage_told_ || now - settled_at_ < stalled_ns) return;
    stall_told_ = true;
    output_.error("nothing has been acknowledged for 5 s: the broker is short of room, or the topic takes no more (overflow=reject, cleanup.policy=compact), which its log tells; waiting");
}

std::string ProduceRun::stored_words() const {
    const bool only_received = options_.alias.acks == client::protocol::Acks::none;
    std::string words = "the first " + std::to_string(producer_.settled()) + " lines are " + (only_received ? "received, not necessarily stored" : "stored");
    if (refused_ != 0) words += ", but for " + std::to_string(refused_) + " refused";
    return words;
}

// The broker says only that one of the two is not there.
int ProduceRun::tell_missing_partition() {
    int code = exit_code_of(ending_.failure.error);
    const auto partitions = partition_count(options_.bootstrap, options_.alias.topic, context_, output_, code);
    if (partitions) output_.error(no_partition_text(options_.alias.topic, options_.alias.partition, *partitions));
    return code;
}

int ProduceRun::conclude() {
    if (armed()) context_.env.disarm(*this);
    const std::string counts = "acknowledged " + std::to_string(acknowledged()) + " of " + std::to_string(producer_.sent()) + " sent";
    if (ending_.failure.error == Error::none) {
        if (!options_.quiet)
            output_.note(counts + (refused_ != 0 ? ", " + std::to_string(refused_) + " refused" : "") + (interrupts_seen_ != 0 ? ", interrupted" : ""));
        return code_ != exit_done ? code_ : refused_ != 0 ? exit_no : exit_done;
    }
    if (about_topic_) {
        if (!producer_.ready() && ending_.failure.error == Error::unknown_topic_or_partition && options_.alias.placement == client::protocol::Placement::partition)
            return tell_missing_partition();
        output_.error(std::string(options_.alias.topic) + ": " + explain(ending_.failure, ending_.text));
        if (!producer_.ready()) return exit_code_of(ending_.failure.error);
    } else if (interrupts_seen_ == 0) {
        output_.error(explain(ending_));
    }
    if (producer_.ready()) output_.note(counts + "; " + stored_words());
    if (producer_.ready() && !options_.quiet) output_.note("go on with: tail -n +" + std::to_string(producer_.settled() + 1) + " FILE | rivulet produce ...");
    return about_topic_ ? exit_code_of(ending_.failure.error) : exit_could_not;
}

}  // namespace rivulet::cli
