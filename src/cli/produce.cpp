// produce: the options, then a ProduceRun.
#include <limits>

#include "cli/commands.h"
#include "cli/produce_run.h"
#include "cli/record_format.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

protocol::Acks acks_of(Arguments& arguments) {
    const std::string_view acks = arguments.text("acks", "all");
    if (acks == "0") return protocol::Acks::none;
    if (acks == "1") return protocol::Acks::leader;
    if (acks != "all" && acks != "-1") arguments.refuse("--acks " + std::string(acks) + ": must be 0, 1 or all");
    return protocol::Acks::all;
}

}  // namespace

int produce(Arguments& arguments, CliContext& context, Output& output) {
    ProduceOptions options;
    options.bootstrap = bootstrap_of(arguments);
    options.alias.topic = arguments.operands()[0];
    options.alias.acks = acks_of(arguments);
    options.has_key = arguments.has("key");
    options.key = arguments.text("key");
    if (arguments.has("key-separator") && (!unescape(arguments.text("key-separator"), options.separator) || options.separator.empty()))
        arguments.refuse("--key-separator " + std::string(arguments.text("key-separator")) + ": must be text that is not empty; \\t is a tab");
    if (options.has_key && !options.separator.empty()) arguments.refuse("--key and --key-separator do not go together");
    options.ignore_missing_key = arguments.has("ignore-missing-key");
    if (arguments.has("partition")) {
        options.alias.placement = protocol::Placement::partition;
        options.alias.partition = static_cast<std::uint64_t>(arguments.number("partition", 0, 0, 1'000'000));
    } else if (options.has_key) {
        // Said once for all, in place of once in every record.
        options.alias.placement = protocol::Placement::key;
        options.alias.key = as_bytes(options.key);
        options.has_key = false;
    }
    options.headers = arguments.pairs("header");
    options.retry_ms = arguments.duration_ms("timeout", options.retry_ms);
    options.session = static_cast<std::uint64_t>(arguments.number("session", 0, 1, std::numeric_limits<std::int64_t>::max()));
    options.print_acks = arguments.has("print-acks");
    options.quiet = arguments.has("quiet");
    if (!arguments.ok()) {
        output.error(arguments.problem());
        return exit_usage;
    }
    return ProduceRun(context, output, options).run();
}

}  // namespace rivulet::cli
