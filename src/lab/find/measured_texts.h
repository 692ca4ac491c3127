// Texts on which an edited model is compared with the original.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "model/model.h"

namespace gremium::lab {

struct NamedFile {
    std::string name, file;
};

class MeasuredTexts {
  public:
    // Throws Error for a model without a tokenizer, and as data::sample_file. Windows are at most as long as the
    // model's context.
    MeasuredTexts(std::shared_ptr<const Model> original, const std::vector<NamedFile>& files,
                  data::SampleOptions sample, engine::Arithmetic arithmetic = engine::Arithmetic::exact);

    struct Numbers {
        double loss = 0, bits_per_byte = 0;
        double kl = 0;             // from the original, in nats per token
        double max_violation = 0;  // the largest MaxVio of all layers
    };
    // One a text; `between` as compare()'s.
    std::vector<Numbers> measure(const Model& model, const std::function<void()>& between = {}) const;

    bool empty() const { return texts_.empty(); }
    size_t size() const { return texts_.size(); }
    const std::string& name(size_t text) const { return texts_[text].name; }

  private:
    struct Text {
        std::string name;
        data::Windows windows;
        double bytes_per_token;
    };
    std::shared_ptr<const Model> original_;
    engine::Arithmetic arithmetic_;
    std::vector<Text> texts_;
};

// Windows of several files, with `sample.tokens` tokens in total; empty if there are no files. Throws as above.
data::Windows sample_files(const std::vector<std::string>& files, const Model& model, data::SampleOptions sample);

}  // namespace gremium::lab
