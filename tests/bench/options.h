// The command line of the load generators, --name value, and the values that they send.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace rivulet::bench {

class Options {
public:
    Options(int argc, char** argv, int first) {
        for (int i = first; i + 1 < argc; i += 2) values_[argv[i]] = argv[i + 1];
    }
    double number(const std::string& name, double otherwise) const {
        const auto found = values_.find("--" + name);
        return found == values_.end() ? otherwise : std::strtod(found->second.c_str(), nullptr);
    }
    std::size_t count(const std::string& name, double otherwise) const { return static_cast<std::size_t>(number(name, otherwise)); }
    std::string text(const std::string& name, const std::string& otherwise) const {
        const auto found = values_.find("--" + name);
        return found == values_.end() ? otherwise : found->second;
    }
    std::uint16_t port() const { return static_cast<std::uint16_t>(number("port", 9192)); }
    std::string topic() const { return text("topic", "bench"); }

private:
    std::map<std::string, std::string> values_;
};

// Values differ, so that nothing on the way can make them smaller.
class Values {
public:
    explicit Values(std::size_t bytes) : bytes_(bytes + 64) {
        for (std::uint8_t& byte : bytes_) byte = static_cast<std::uint8_t>(next() >> 56);
    }
    Bytes operator()() { return Bytes(bytes_).subspan(next() >> 58, bytes_.size() - 64); }

private:
    std::uint64_t next() { return state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL; }
    std::uint64_t state_ = 88172645463325252ULL;
    std::vector<std::uint8_t> bytes_;
};

}  // namespace rivulet::bench
