#include "train/metrics.h"

#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"

namespace gremium::train {

std::vector<nlohmann::ordered_json> read_metrics(const std::filesystem::path& path) {
    std::vector<nlohmann::ordered_json> rows;
    std::istringstream in(read_text_file(path));
    for (std::string line; std::getline(in, line);) {
        auto row = nlohmann::ordered_json::parse(line, nullptr, false);
        if (row.is_object() && row.contains("step") && row["step"].is_number_integer()) rows.push_back(std::move(row));
    }
    return rows;
}

MetricsLog::MetricsLog(const std::filesystem::path& path, int64_t last_step) : path_(path) {
    std::string kept;
    if (std::filesystem::exists(path)) {
        for (const auto& row : read_metrics(path)) {
            if (row["step"].get<int64_t>() <= last_step) kept += to_text(row) + '\n';
        }
    }
    write_file_atomically(path, kept);
    out_.open(path, std::ios::app);
    if (!out_) fail("{}: cannot write: {}", path.string(), std::strerror(errno));
}

void MetricsLog::write(const nlohmann::ordered_json& row) {
    out_ << to_text(row) + '\n' << std::flush;
    if (!out_) fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

}  // namespace gremium::train
