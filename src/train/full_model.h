// A model that is trained from scratch, with all its tensors.
#pragma once

#include <memory>
#include <vector>

#include "train/config.h"
#include "train/parameters.h"
#include "train/trainee.h"

namespace gremium::train {

class FullModel : public Trainee {
  public:
    FullModel(const ModelSpec& spec, const TrainingConfig& config);

    const Model& model() const override { return *compute_; }
    Trainables trainables() override { return parameters_.trainables(); }
    void updated(const std::vector<LayerLoad>& loads) override;

    Parameters& parameters() { return parameters_; }
    // In f32, for saving.
    const Model& master() const { return *master_; }
    void set_tokenizer(std::shared_ptr<const Tokenizer> tokenizer);

  private:
    double bias_rate_;
    Parameters parameters_;
    std::shared_ptr<Model> compute_, master_;
};

}  // namespace gremium::train
