#include "server/reloader.h"

#include "env/log.h"

namespace rivulet::server {

Reloader::Reloader(env::Env& env, Arena& arena, const ConfigSource& source, Host& host)
    : Job(env::JobKind::compute), env_(env), host_(host), source_(source), text_(arena.take_bytes(config_text_bytes_max)) {}

void Reloader::reload(Server& server) {
    again_ = running_;
    if (running_) return;
    running_ = true;
    server_ = &server;
    problems_.clear();
    env_.submit(*this);
}

void Reloader::run(env::Disk& disk) { status_ = load_config(disk, source_, text_, next_, *this); }

void Reloader::on_problem(std::string_view text) { problems_ << text << '\n'; }

void Reloader::done() {
    running_ = false;
    for (std::string_view left = problems_.view(); !left.empty();) {
        const std::size_t end = left.find('\n');
        env::LogLine(env_, env::LogLevel::error) << "reload: " << left.substr(0, end);
        left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    }
    if (!status_) {
        env::LogLine(env_, env::LogLevel::error) << "reload: the configuration is not taken over, the old one stays in force";
    } else if (server_->reload(next_)) {
        host_.set_log_level(server_->config().broker.log_level);
    }
    if (again_) reload(*server_);
}

}  // namespace rivulet::server
