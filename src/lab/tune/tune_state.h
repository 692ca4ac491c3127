// A tuning on disk: what it has come to, so that it can go on later. A safetensors file of values and moments, whose
// metadata say what is tuned and how far it is.
#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lab/tune/trainable.h"

namespace gremium::lab {

class TuneState {
  public:
    // `what`: everything that the numbers follow from. Where the file is there, the trainables become what they were.
    // Empty path: nothing is kept. Throws Error for a file of something else, and for one that is there when nothing is
    // to be resumed.
    TuneState(std::filesystem::path path, bool resume, nlohmann::ordered_json what, std::vector<Trainable*> trainables);

    int64_t begin() const { return begin_; }  // steps done before
    void save(int64_t step) const;
    // After each step: saves every few minutes, and at the last one. Training goes on where that fails.
    void keep(int64_t step, bool last);

  private:
    void load();

    std::filesystem::path path_;
    nlohmann::ordered_json what_;
    std::vector<Trainable*> trainables_;
    int64_t begin_ = 0;
    std::chrono::steady_clock::time_point saved_ = std::chrono::steady_clock::now();
};

}  // namespace gremium::lab
