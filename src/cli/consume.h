// What both ways of `consume` share: by partitions (consume.cpp), and as a member of a group (consume_group.cpp).
// Owns:     as each says. Thread: loop only.
#pragma once

#include "cli/connect.h"
#include "cli/record_format.h"
#include "client/group_consumer.h"

namespace rivulet::cli {

constexpr std::size_t largest_answer = (64U << 20) + (64U << 10);  // a broker's limits.batch_bytes is at most 64M; unused memory stays untouched

struct ConsumeOptions {
    client::Bootstrap bootstrap;
    std::string_view topic;
    std::optional<std::uint64_t> partition;
    Offset from{client::protocol::fetch_latest};
    std::uint64_t messages_max = 0;  // 0: no limit
    std::int64_t timeout_ms = 0;     // 0: none
    RecordFormat format;
    // As a member.
    std::string_view group;          // empty: none
    std::string_view instance;
    client::protocol::AssignBy assignor = client::protocol::AssignBy::sticky;
};

// Prints records until their number, a pause, an interrupt or the end of our reader; where they come from is up to who derives.
class ConsumeRun : env::Timer {
public:
    int run();

protected:
    ConsumeRun(CliContext& context, Output& output, const ConsumeOptions& options) : context_(context), output_(output), options_(options) {}
    ~ConsumeRun() {
        if (armed()) context_.env.disarm(*this);
    }
    virtual void start() = 0;
    virtual void stop_reading() = 0;  // ended() follows
    void stop(int code);
    void ended(int code, const std::string& why);
    bool stopping() const { return stopping_; }

    // Prints what it can of batches that were read from an offset, and stops where that was the last. Returns up to where all has been printed, and had a reader.
    Offset print(std::uint64_t partition, Bytes batches, Offset from);
    std::string partition_text(std::uint64_t partition) const { return std::string(options_.topic) + " partition " + std::to_string(partition); }
    void tell_skipped(std::uint64_t partition, Offset from, Offset to);
    // Once until the outage is over.
    void tell_outage(const std::string& why);
    void outage_is_over() { outage_told_ = false; }

    CliContext& context_;
    Output& output_;
    const ConsumeOptions& options_;

private:
    void on_timer() override;

    ClientDecoder decoder_;
    std::string text_;
    std::uint64_t messages_ = 0;
    Instant last_message_;
    int code_ = exit_done;
    bool outage_told_ = false;
    bool printed_ = false;  // in this turn of the loop
    bool stopping_ = false;
    bool ended_ = false;
};

int consume_as_member(CliContext& context, Output& output, const ConsumeOptions& options);

}  // namespace rivulet::cli
