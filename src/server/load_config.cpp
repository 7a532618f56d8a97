#include "server/load_config.h"

namespace rivulet::server {

Result<Bytes> read_config_text(env::Disk& disk, std::string_view file_name, MutableBytes buffer) {
    RIVULET_TRY_ASSIGN(const std::size_t n, disk.read_file(file_name, buffer));
    if (n == buffer.size()) return fail(Error::frame_too_large, static_cast<std::int64_t>(buffer.size()));
    return Bytes(buffer).first(n);
}

void report_unreadable(std::string_view file_name, Failure failure, config::ProblemSink& problems) {
    char buffer[384];
    Text text(buffer);
    text << file_name << ": ";
    const std::size_t prefix = text.size();
    if (failure.error == Error::frame_too_large) text << "longer than " << config_text_bytes_max / 1024 << "K";
    else text << error_info(failure.error).text;
    problems.on_problem_parts({file_name, 0, {}, text.view().substr(prefix)}, text.view());
}

Status load_config(env::Disk& disk, const ConfigSource& source, MutableBytes buffer, config::Config& out, config::ProblemSink& problems) {
    Bytes text;
    if (!source.file_name.empty()) {
        const Result<Bytes> read = read_config_text(disk, source.file_name, buffer);
        if (!read) {
            report_unreadable(source.file_name, read.failure(), problems);
            return read.failure();
        }
        text = *read;
    }
    return config::parse(config::Source{text, source.file_name, source.sets}, out, problems);
}

}  // namespace rivulet::server
