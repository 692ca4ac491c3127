#include "lab/find/measured_texts.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <numbers>
#include <utility>

#include "data/files.h"
#include "engine/prompt.h"
#include "lab/find/compare.h"
#include "moe/routers/router.h"

namespace gremium::lab {
namespace {

class LoadCounter : public moe::RoutingHook {
  public:
    void after_selection(const moe::AfterSelection& s) override {
        std::vector<int64_t>& load = loads_[s.layer];
        load.resize(static_cast<size_t>(s.experts));
        for (const int32_t e : s.ids_Tk)
            if (e >= 0) ++load[static_cast<size_t>(e)];
    }
    double max_violation() const {
        double worst = 0;
        for (const auto& [layer, load] : loads_) worst = std::max(worst, moe::max_violation(load));
        return worst;
    }

  private:
    std::map<int, std::vector<int64_t>> loads_;
};

}  // namespace

MeasuredTexts::MeasuredTexts(std::shared_ptr<const Model> original, const std::vector<NamedFile>& files,
                             data::SampleOptions sample, engine::Arithmetic arithmetic)
    : original_(std::move(original)), arithmetic_(arithmetic) {
    sample.window = std::min<int64_t>(sample.window, original_->spec.context);
    for (const NamedFile& file : files) {
        const Tokenizer& tokenizer = engine::tokenizer_of(*original_);
        data::Windows windows = data::sample_file(file.file, tokenizer, sample);
        const auto tokens = static_cast<double>(windows.size()) * static_cast<double>(windows.front().size() - 1);
        const auto bytes = static_cast<double>(data::predicted_bytes(windows, tokenizer));
        texts_.push_back({file.name, std::move(windows), bytes / tokens});
    }
}

std::vector<MeasuredTexts::Numbers> MeasuredTexts::measure(const Model& model,
                                                           const std::function<void()>& between) const {
    std::vector<Numbers> all;
    for (const Text& text : texts_) {
        LoadCounter loads;
        const Variant measured{&model, &loads};
        const Prediction p =
            &model == original_.get()
                ? compare(measured, {}, text.windows, arithmetic_, between).original
                : compare({original_.get()}, std::span(&measured, 1), text.windows, arithmetic_, between).variants[0];
        all.push_back({p.loss, p.loss / std::numbers::ln2 / text.bytes_per_token, p.kl, loads.max_violation()});
    }
    return all;
}

data::Windows sample_files(const std::vector<std::string>& names, const Model& model, data::SampleOptions sample) {
    const std::vector<std::filesystem::path> files = data::files_of(names);
    data::Windows all;
    sample.window = std::min<int64_t>(sample.window, model.spec.context);
    sample.tokens /= std::max<int64_t>(1, std::ssize(files));
    for (const std::filesystem::path& file : files)
        std::ranges::move(data::sample_file(file, engine::tokenizer_of(model), sample), std::back_inserter(all));
    return all;
}

}  // namespace gremium::lab
