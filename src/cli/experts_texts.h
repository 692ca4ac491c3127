// Texts that edits and tuning are measured on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "data/windows.h"
#include "model/model.h"

namespace gremium::cli {

class MeasuredTexts {
  public:
    // NAME=FILE or FILE. KL is from `original`.
    MeasuredTexts(std::shared_ptr<const Model> original, const std::vector<std::string>& named_files,
                  const data::SampleOptions& sample);

    struct Numbers {
        double loss = 0, bits_per_byte = 0, kl = 0, max_violation = 0;  // the largest MaxVio of all layers
    };
    std::vector<Numbers> measure(const Model& model) const;  // a text each
    void print(const std::vector<Numbers>& before, const std::vector<Numbers>& after) const;
    nlohmann::ordered_json to_json(const std::vector<Numbers>& before, const std::vector<Numbers>& after) const;

  private:
    struct Text {
        std::string name;
        data::Windows windows;
        double bytes_a_token;
    };
    std::shared_ptr<const Model> original_;
    std::vector<Text> texts_;
};

// Windows of several files, `sample.tokens` together.
data::Windows sample_files(const std::vector<std::string>& files, const Model& model, data::SampleOptions sample);
// NAME.gguf or a directory, in the types the model has. Error where it is the opened model.
void save_edited(const Model& model, const std::string& out, const std::string& opened);

}  // namespace gremium::cli
