// Reads and parses the configuration again, off the loop.
// Owns:     room for the text, the next configuration and what is wrong with it. Bounds: one at a time; a request meanwhile is done after it.
// Thread:   run() on a worker, the rest on the loop. The file is read by Disk::read_file, which keeps nothing open.
#pragma once

#include "server/arguments.h"
#include "server/server.h"

namespace rivulet::server {

class Reloader final : private env::Job, private config::ProblemSink {
public:
    // `source` must outlive it.
    Reloader(env::Env& env, Arena& arena, const ConfigSource& source, Host& host);
    static std::size_t memory_bytes() { return sizeof(Reloader) + config_text_bytes_max + 2 * alignof(std::max_align_t); }

    void reload(Server& server);

private:
    void run(env::Disk& disk) override;
    void done() override;
    void on_problem(std::string_view text) override;

    env::Env& env_;
    Host& host_;
    ConfigSource source_;
    MutableBytes text_;
    config::Config next_;
    Server* server_ = nullptr;
    Status status_;
    char problems_buffer_[2048] = {};
    Text problems_{problems_buffer_};
    bool running_ = false;
    bool again_ = false;
};

}  // namespace rivulet::server
