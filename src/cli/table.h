// A table for people: columns as wide as their widest cell, numbers to the right, two spaces between.
// Owns:     its cells. Bounds: none but memory. Guarantee: no spaces at line ends, so that it reads well in pipes and diffs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rivulet::cli {

class Table {
public:
    enum class Align : unsigned char { left, right };

    Table& column(std::string_view title, Align align = Align::left);
    Table& cell(std::string_view text);
    Table& cell(long long number) { return cell(std::string_view(std::to_string(number))); }
    bool empty() const { return cells_.empty(); }
    // A last row that is not full is a broken invariant.
    std::string text() const;

private:
    struct Column {
        std::string title;
        Align align;
    };
    std::vector<Column> columns_;
    std::vector<std::string> cells_;
};

}  // namespace rivulet::cli
