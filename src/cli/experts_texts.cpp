#include "cli/experts_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numbers>

#include "base/error.h"
#include "lab/edit/draft.h"
#include "lab/find/compare.h"
#include "model/files/save.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

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

MeasuredTexts::MeasuredTexts(std::shared_ptr<const Model> original, const std::vector<std::string>& named_files,
                             const data::SampleOptions& sample)
    : original_(std::move(original)) {
    for (const std::string& named : named_files) {
        const Tokenizer& tokenizer = tokenizer_of(*original_);
        const size_t equals = named.find('=');
        const std::string file = equals == std::string::npos ? named : named.substr(equals + 1);
        data::Windows windows = data::sample_file(file, tokenizer, sample);
        const auto tokens = static_cast<double>(windows.size()) * static_cast<double>(windows.front().size() - 1);
        const auto bytes = static_cast<double>(data::predicted_bytes(windows, tokenizer));
        texts_.push_back({named.substr(0, equals), std::move(windows), bytes / tokens});
    }
}

std::vector<MeasuredTexts::Numbers> MeasuredTexts::measure(const Model& model) const {
    std::vector<Numbers> all;
    for (const Text& text : texts_) {
        LoadCounter loads;
        const lab::Variant measured{&model, &loads};
        const lab::Prediction p =
            &model == original_.get()
                ? lab::compare(measured, {}, text.windows).original
                : lab::compare({original_.get()}, std::span(&measured, 1), text.windows).variants[0];
        all.push_back({p.loss, p.loss / std::numbers::ln2 / text.bytes_a_token, p.kl, loads.max_violation()});
    }
    return all;
}

void MeasuredTexts::print(const std::vector<Numbers>& before, const std::vector<Numbers>& after) const {
    if (texts_.empty()) return;
    fmt::print("  {:<20} {:>22} {:>22} {:>16} {:>18}\n", "text", "nats/token", "bits/byte", "KL to original", "MaxVio");
    for (size_t i = 0; i < texts_.size(); ++i) {
        const Numbers &b = before[i], &a = after[i];
        fmt::print("  {:<20} {:>22} {:>22} {:>16.5f} {:>18}\n", texts_[i].name,
                   fmt::format("{:.4f} -> {:.4f}", b.loss, a.loss),
                   fmt::format("{:.4f} -> {:.4f}", b.bits_per_byte, a.bits_per_byte), a.kl,
                   fmt::format("{:.2f} -> {:.2f}", b.max_violation, a.max_violation));
    }
}

Json MeasuredTexts::to_json(const std::vector<Numbers>& before, const std::vector<Numbers>& after) const {
    const auto numbers = [](const Numbers& m) {
        return Json{
            {"loss", m.loss}, {"bits_per_byte", m.bits_per_byte}, {"kl", m.kl}, {"max_violation", m.max_violation}};
    };
    Json texts = Json::object();
    for (size_t i = 0; i < texts_.size(); ++i)
        texts[texts_[i].name] = {{"before", numbers(before[i])}, {"after", numbers(after[i])}};
    return texts;
}

data::Windows sample_files(const std::vector<std::string>& files, const Model& model, data::SampleOptions sample) {
    data::Windows all;
    sample.tokens /= std::max<int64_t>(1, std::ssize(files));
    for (const std::string& file : files)
        std::ranges::move(data::sample_file(file, tokenizer_of(model), sample), std::back_inserter(all));
    return all;
}

void save_edited(const Model& model, const std::string& out, const std::string& opened) {
    std::error_code ignored;
    if (std::filesystem::equivalent(out, opened, ignored))
        fail("{}: is the model that is edited; it is never changed", out);
    const bool gguf = std::filesystem::path(out).extension() == ".gguf";
    save_model(model, out, lab::stored_types(model, gguf ? Container::gguf : Container::hugging_face));
}

}  // namespace gremium::cli
