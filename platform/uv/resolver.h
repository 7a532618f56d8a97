// Host names to addresses, as a compute job.
// Owns:     a copy of the name, room for 8 addresses. Bounds: one look-up at a time; a second one is a broken invariant.
// Errors:   host_not_found; timed_out when no name server answered; invalid_argument for a name over 253 characters.
// Thread:   start() and the callback on the loop, getaddrinfo() on a worker. While it waits for a name server the compute slot is
//           taken, so glibc's patience is cut to 2 tries of 2 s, unless the user has set RES_OPTIONS.
// Guarantee: a numeric host asks nobody. Otherwise the C library allocates for the time of the call: the one exception to "no
//           allocation while serving" (platform/linux/operator_new.h).
#pragma once

#include "env/network.h"
#include "platform/uv/jobs.h"

namespace rivulet::platform {

class Resolver final : public env::Job {
public:
    explicit Resolver(Jobs& jobs) : Job(env::JobKind::compute), jobs_(jobs) {}

    void start(std::string_view host, std::uint16_t port, env::Resolved& callback);

    void run(env::Disk& disk) override;
    void done() override;

private:
    static constexpr std::size_t host_max = 253;
    static constexpr std::size_t addresses_max = 8;

    bool parse_numeric();
    void look_up();

    Jobs& jobs_;
    env::Resolved* callback_ = nullptr;
    char host_[host_max + 1];
    std::uint16_t port_ = 0;
    Error error_ = Error::none;
    env::Address addresses_[addresses_max];
    std::size_t count_ = 0;
};

// Through the environment, before the first look-up.
void set_resolver_patience();

}  // namespace rivulet::platform
