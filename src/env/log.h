// A log line under construction: LogLine(env, LogLevel::info) << "partition " << n << " is back";
// Bounds:   240 bytes; what does not fit is cut. Writes on destruction, formats nothing at a level that is off.
#pragma once

#include "base/text.h"
#include "env/env.h"

namespace rivulet::env {

class LogLine {
public:
    LogLine(Env& env, LogLevel level) : env_(env), level_(level), on_(level <= env.log_level()), text_(buffer_) {}
    LogLine(const LogLine&) = delete;
    LogLine& operator=(const LogLine&) = delete;
    ~LogLine() { if (on_) env_.log(level_, text_.view()); }

    template <class T>
    LogLine& operator<<(const T& value) {
        if (on_) text_ << value;
        return *this;
    }

private:
    Env& env_;
    LogLevel level_;
    bool on_;
    char buffer_[240];
    Text text_;
};

}  // namespace rivulet::env
