#include "cli/connect.h"

namespace rivulet::cli {

namespace {

constexpr std::uint16_t kafka_default_port = 9092;

// Answers about a topic of many partitions come in pages of this.
constexpr client::ChannelOptions caller_options{.receive_bytes = 64U << 10, .send_bytes = 64U << 10, .name = "rivulet command line", .features = client::protocol::feature::groups};

}  // namespace

client::Bootstrap bootstrap_of(Arguments& arguments, bool kafka) {
    const std::string_view list = arguments.text("bootstrap", kafka ? kafka_bootstrap_default : bootstrap_default);
    const auto bootstrap = client::Bootstrap::parse(list, kafka ? kafka_default_port : client::default_port);
    if (bootstrap) return *bootstrap;
    const std::int64_t entry = bootstrap.failure().detail;
    std::string text = "--bootstrap " + std::string(list) + ": ";
    if (entry == 0) text += "empty";
    else if (entry > static_cast<std::int64_t>(client::bootstrap_max)) text += "more than " + std::to_string(client::bootstrap_max) + " addresses";
    else text += "address " + std::to_string(entry) + " is not HOST:PORT";
    arguments.refuse(text);
    return {};
}

std::string explain(const client::Ending& ending, std::string_view listener) {
    const std::string where(ending.where);
    const std::string why = explain(ending.failure, ending.text);
    if (ending.from_broker && ending.stage != client::Stage::established) return where + " refused the connection: " + why;
    if (ending.from_broker) return "the broker at " + where + " ended the connection: " + why;
    switch (ending.stage) {
    case client::Stage::resolve: return "could not find " + where + ": " + why;
    case client::Stage::connect: return "could not connect to " + where + ": " + why;
    case client::Stage::handshake:
        if (ending.failure.error == Error::timed_out) return where + " takes the connection and does not answer (timed out): a broker that is still starting, or not " + std::string(listener);
        // Between its start and its being ready a broker has connections waiting, and one that ends drops them.
        if (ending.failure.error == Error::connection_reset) return where + " ended the connection before it answered: a broker that stops or is still starting, or not " + std::string(listener);
        return where + " does not answer like " + std::string(listener) + ": " + why;
    case client::Stage::established: break;
    }
    return "connection to " + where + " lost: " + why;
}

int exit_code_of(const client::Ending& ending) {
    return ending.failure.error == Error::none ? exit_done : exit_could_not;
}

Caller::Caller(CliContext& context, Output& output)
    : context_(context), output_(output), memory_(client::Channel::memory_bytes(caller_options)),
      channel_(context.env, caller_options, memory_.arena(), *this) {}

Caller::~Caller() {
    if (armed()) context_.env.disarm(*this);
    if (closed_) return;
    // The channel must not hear of its connection when it is gone.
    closing_ = true;
    channel_.drop();
    while (!closed_ && context_.loop.run_once()) {}
}

bool Caller::open(const client::Bootstrap& bootstrap) {
    closed_ = opened_ = false;
    channel_.open(bootstrap);
    while (!opened_ && !closed_ && context_.loop.run_once()) {}
    return opened_ && !closed_;
}

void Caller::close() {
    if (closed_) return;
    closing_ = true;
    channel_.close();
    while (!closed_ && context_.loop.run_once()) {}
}

std::optional<Caller::Reply> Caller::wait() {
    channel_.flush();
    timed_out_ = false;
    context_.env.arm(*this, context_.env.now() + answer_timeout_ms * ns_per_ms);
    while (!answered_ && !closed_ && !timed_out_ && context_.loop.run_once()) {}
    if (armed()) context_.env.disarm(*this);
    if (answered_) return std::move(reply_);
    if (!closed_) output_.error("no answer within " + std::to_string(answer_timeout_ms / 1000) + " s");
    exit_code_ = exit_could_not;
    return std::nullopt;
}

void Caller::on_answer(const client::protocol::FrameView& frame, const client::protocol::Answer& answer) {
    if (frame.correlation != correlation_) return;
    reply_.failure = fail(answer.error, answer.detail);
    reply_.text = answer.text;
    reply_.rest.assign(answer.rest.begin(), answer.rest.end());
    reply_.flags = frame.flags;
    answered_ = true;
}

void Caller::on_closed(const client::Ending& ending) {
    closed_ = true;
    if (closing_) return;
    attempts_.tell(output_);
    output_.error(explain(ending));
    exit_code_ = exit_could_not;
}

int refused(Output& output, std::string_view what, const Caller::Reply& reply) {
    output.error(std::string(what) + ": " + explain(reply.failure, reply.text));
    return exit_code_of(reply.failure.error);
}

int usage(Output& output, const Arguments& arguments) {
    output.error(arguments.problem());
    return exit_usage;
}

int garbled(Output& output) {
    output.error("the broker's answer cannot be understood");
    return exit_could_not;
}

std::string no_partition_text(std::string_view topic, std::uint64_t partition, std::uint64_t partitions) {
    return std::string(topic) + " has no partition " + std::to_string(partition) + ": there are 0 to " + std::to_string(partitions - 1);
}

std::optional<std::uint64_t> partition_count(const client::Bootstrap& bootstrap, std::string_view topic, CliContext& context, Output& output, int& code) {
    Caller caller(context, output);
    if (!caller.open(bootstrap)) return code = caller.exit_code(), std::nullopt;
    const auto reply = caller.call([&](Writer& out, std::uint64_t correlation) { client::protocol::encode_topic_describe(out, correlation, {topic, 0, 1}); });
    if (!reply) return code = caller.exit_code(), std::nullopt;
    caller.close();
    if (!reply->ok()) {
        output.error(std::string(topic) + ": " + explain(reply->failure, reply->text));
        return code = exit_code_of(reply->failure.error), std::nullopt;
    }
    const auto described = client::protocol::decode_topic_described(reply->rest, reply->flags);
    if (described) return described->topic.partitions;
    output.error("the broker's answer cannot be understood");
    return code = exit_could_not, std::nullopt;
}

}  // namespace rivulet::cli
