#include "cli/table.h"

#include "base/check.h"

namespace rivulet::cli {

Table& Table::column(std::string_view title, Align align) {
    columns_.push_back({std::string(title), align});
    return *this;
}

Table& Table::cell(std::string_view text) {
    cells_.emplace_back(text);
    return *this;
}

std::string Table::text() const {
    RIVULET_CHECK(!columns_.empty() && cells_.size() % columns_.size() == 0);
    const std::size_t n = columns_.size();
    std::vector<std::size_t> widths(n);
    for (std::size_t i = 0; i < n; ++i) widths[i] = columns_[i].title.size();
    for (std::size_t i = 0; i < cells_.size(); ++i)
        if (cells_[i].size() > widths[i % n]) widths[i % n] = cells_[i].size();

    std::string out;
    const auto add_row = [&](auto&& cell_of) {
        std::string line;
        for (std::size_t i = 0; i < n; ++i) {
            const std::string& cell = cell_of(i);
            const std::string pad(widths[i] - cell.size(), ' ');
            line += columns_[i].align == Align::right ? pad + cell : cell + pad;
            line += "  ";
        }
        while (!line.empty() && line.back() == ' ') line.pop_back();
        out += line + '\n';
    };
    add_row([&](std::size_t i) -> const std::string& { return columns_[i].title; });
    for (std::size_t row = 0; row < cells_.size(); row += n) add_row([&](std::size_t i) -> const std::string& { return cells_[row + i]; });
    return out;
}

}  // namespace rivulet::cli
