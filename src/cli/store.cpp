// store inspect | verify: look into a store, offline.
#include <limits>
#include <memory>

#include "cli/commands.h"
#include "store/offline/inspect.h"
#include "store/offline/verify.h"

namespace rivulet::cli {

namespace {

class Lines final : public store::LineSink {
public:
    explicit Lines(Output& output) : output_(output) {}
    void line(std::string_view text) override { output_ << text << '\n'; }

private:
    Output& output_;
};

int could_not(Output& output, std::string_view dir, Failure failure) {
    std::string text = std::string(dir) + ": " + explain(failure);
    if (failure.error == Error::store_in_use) text += " (stop the broker first)";
    output.error(text);
    return failure.error == Error::not_found || failure.error == Error::not_a_store ? exit_could_not : exit_code_of(failure.error);
}

struct Scratch {
    explicit Scratch(std::size_t n) : block(std::make_unique_for_overwrite<std::uint8_t[]>(n)), bytes(block.get(), n) {}
    std::unique_ptr<std::uint8_t[]> block;
    MutableBytes bytes;
};

}  // namespace

int store_inspect(Arguments& arguments, CliContext& context, Output& output) {
    store::InspectOptions options;
    options.json = arguments.json();
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    if (arguments.has("segment")) options.segment = static_cast<std::uint64_t>(arguments.number("segment", 0, 0, most));
    if (arguments.has("log")) options.log = LogId(static_cast<std::uint64_t>(arguments.number("log", 0, 0, most)));
    if (!arguments.ok()) {
        output.error(arguments.problem());
        return exit_usage;
    }
    const std::string_view dir = arguments.operands()[0];
    store::OfflineStore store(context.env.disk());
    if (const Status opened = store.open(dir); !opened) return could_not(output, dir, opened.failure());
    const Scratch scratch(store::inspect_scratch_bytes(store.geometry()));
    Lines lines(output);
    const Status done = store::inspect(store, options, scratch.bytes, lines);
    if (done) return exit_done;
    if (done.error() != Error::invalid_argument) return could_not(output, dir, done.failure());
    output.error("segment " + std::string(arguments.text("segment")) + " is not one of the live ones");
    return exit_no;
}

int store_verify(Arguments& arguments, CliContext& context, Output& output) {
    const std::string_view dir = arguments.operands()[0];
    store::OfflineStore store(context.env.disk());
    if (const Status opened = store.open(dir); !opened) return could_not(output, dir, opened.failure());
    const Scratch scratch(store::verify_scratch_bytes(store.geometry()));
    Lines lines(output);
    const auto result = store::verify(store, arguments.json(), scratch.bytes, lines);
    if (!result) return could_not(output, dir, result.failure());
    return result->damaged() ? exit_no : exit_done;
}

}  // namespace rivulet::cli
