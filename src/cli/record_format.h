// How `consume` prints a record: a format string, compiled once.
// Owns:     its pieces. Errors: parse: what is wrong with the string, for people.
// Format:   %t %p %o %k %v %s %T %h %K %V %%, and \n \t \r \0 \\ \xHH. Or JSON, an object a line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/batches.h"

namespace rivulet::cli {

class RecordFormat {
public:
    // Values as lines.
    RecordFormat();
    // False: `problem` says why, and nothing has changed.
    bool parse(std::string_view format, std::string& problem);
    void use_json() { json_ = true; }
    void print(std::string& out, std::string_view topic, std::uint64_t partition, const client::FetchedRecord& record) const;

private:
    struct Piece {
        char field = 0;    // 0: literal text
        std::string text;
    };
    std::vector<Piece> pieces_;
    bool json_ = false;
};

// "\t" and the like as what they stand for. False: an escape that there is not.
bool unescape(std::string_view text, std::string& out);

}  // namespace rivulet::cli
