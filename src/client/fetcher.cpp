#include "client/fetcher.h"

#include "client/batches.h"

namespace rivulet::client {

using namespace protocol;

namespace {
constexpr std::int64_t rest_ms = 200;
constexpr std::int64_t wait_in_turns_ms = 50;
constexpr std::size_t request_bytes_max = 400;  // a topic's name and eight numbers
}  // namespace

Fetcher::Fetcher(env::Env& env, const FetcherOptions& options, std::span<FetchPosition> positions, Arena& arena, FetcherHandler& handler)
    : env_(env), options_(options), positions_(positions), handler_(handler), channel_(env, options.channel, arena, *this),
      backoff_(options.retry_ms) {}

Fetcher::~Fetcher() {
    if (armed()) env_.disarm(*this);
}

void Fetcher::start(const Bootstrap& bootstrap) {
    bootstrap_ = bootstrap;
    channel_.open(bootstrap_);
}

void Fetcher::stop() {
    if (stopped_) return;
    stopped_ = true;
    if (channel_.is_idle()) env_.arm(*this, env_.now());
    else channel_.drop();
}

void Fetcher::on_open(const Opened&) {
    started_ = true;
    backoff_.connected(env_.now());
    outstanding_ = 0;
    for (FetchPosition& position : positions_) position.asked = position.resting = false;
    handler_.on_connected();
    ask();
}

std::size_t Fetcher::requests_max() const {
    const std::uint64_t most = channel_.opened().requests_max;
    return most == 0 ? 1 : static_cast<std::size_t>(most < positions_.size() ? most : positions_.size());
}

void Fetcher::ask() {
    const std::size_t most = requests_max();
    for (std::size_t looked = 0; looked < positions_.size() && outstanding_ < most && channel_.is_open(); ++looked) {
        if (channel_.room() < request_bytes_max) break;
        FetchPosition& position = positions_[turn_];
        const std::size_t index = turn_;
        turn_ = (turn_ + 1) % positions_.size();
        if (position.asked || position.resting) continue;
        Fetch fetch;
        fetch.topic = options_.topic;
        fetch.partition = position.partition;
        fetch.offset = position.next;
        fetch.bytes_max = options_.bytes_max;
        fetch.bytes_min = 1;
        fetch.wait_ms_max = static_cast<std::uint64_t>(most == positions_.size() ? options_.wait_ms : wait_in_turns_ms);
        encode_fetch(channel_.out(), index, fetch);
        position.asked = true;
        ++outstanding_;
    }
    channel_.flush();
}

void Fetcher::on_answer(const FrameView& frame, const Answer& answer) {
    if (stopped_ || failure_.error != Error::none) return;
    const auto index = static_cast<std::size_t>(frame.correlation);
    if (frame.kind != Kind::fetch || frame.correlation >= positions_.size() || !positions_[index].asked)
        return end(fail(Error::malformed), index);
    FetchPosition& position = positions_[index];
    position.asked = false;
    --outstanding_;
    if (answer.error != Error::none) {
        take_failure(index, answer);
    } else {
        const auto fetched = decode_fetched(answer.rest);
        if (!fetched) return end(fetched.failure(), index);
        position.next = end_of_batches(fetched->batches, fetched->offset);
        backoff_.progress();
        handler_.on_fetched(index, *fetched);
    }
    if (!stopped_) ask();
}

void Fetcher::take_failure(std::size_t index, const Answer& answer) {
    FetchPosition& position = positions_[index];
    const Offset detail(answer.detail);
    if (answer.error == Error::offset_out_of_range && detail > position.next && position.next >= Offset(0)) {
        handler_.on_skipped(index, position.next, detail);
        position.next = detail;
        return;
    }
    const bool passes = error_info(answer.error).retryable && answer.error != Error::unknown_topic_or_partition;
    if (passes) {
        position.resting = true;
        if (!armed()) env_.arm(*this, env_.now() + rest_ms * ns_per_ms);
        return handler_.on_put_off(index, fail(answer.error, answer.detail), answer.text);
    }
    Text text(failure_text_);
    text << answer.text;
    failure_text_bytes_ = text.size();
    end(fail(answer.error, answer.detail), index);
}

void Fetcher::end(Failure failure, std::size_t index) {
    failure_ = failure;
    if (index < positions_.size()) failure_index_ = index;
    channel_.drop();
}

void Fetcher::on_attempt_failed(const Ending& ending) {
    if (started_) handler_.on_interrupted(ending);
}

void Fetcher::on_closed(const Ending& ending) {
    Ending last = ending;
    if (failure_.error != Error::none) {
        last.failure = failure_;
        last.from_broker = failure_.error != Error::malformed;
        last.text = {failure_text_, failure_text_bytes_};
    } else if (started_ && !stopped_ && (!ending.from_broker || error_info(ending.failure.error).retryable)) {
        if (const auto at = backoff_.next(env_.now())) {
            env_.arm(*this, *at);
            return handler_.on_interrupted(ending);
        }
    }
    handler_.on_ended(last, failure_index_);
}

void Fetcher::on_timer() {
    if (stopped_ && channel_.is_idle()) {
        Ending ending;
        ending.failure = fail(Error::canceled);
        return handler_.on_ended(ending, std::nullopt);
    }
    if (channel_.is_idle()) return channel_.open(bootstrap_);
    for (FetchPosition& position : positions_) position.resting = false;
    ask();
}

}  // namespace rivulet::client
