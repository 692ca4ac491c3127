// metrics.jsonl: one JSON object per line, in step order. Kinds: "train" (every log_every steps), "evaluation" (per
// domain), "experts" (loads of a window) and "warning".
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <vector>

namespace gremium::train {

class MetricsLog {
  public:
    // Keeps the rows up to and including `last_step`, drops later ones (and an unfinished last line): a resumed run
    // writes them again.
    MetricsLog(const std::filesystem::path& path, int64_t last_step);
    void write(const nlohmann::ordered_json& row);

  private:
    std::filesystem::path path_;
    std::ofstream out_;
};

std::vector<nlohmann::ordered_json> read_metrics(const std::filesystem::path& path);

}  // namespace gremium::train
