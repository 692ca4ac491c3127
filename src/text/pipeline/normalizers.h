// The normalizers of tokenizer.json: what happens to text before it is cut.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace gremium::pipeline {

class Normalizers {
  public:
    // `section` may be null. Throws Error that names a step that is not supported.
    explicit Normalizers(const nlohmann::json& section);

    bool empty() const { return steps_.empty(); }
    std::string operator()(std::string_view text) const;

  private:
    using Step = std::function<std::string(std::string_view)>;
    void add(const nlohmann::json& step, int depth);
    static Step step_of(const nlohmann::json& step);

    std::vector<Step> steps_;
};

// The expression of a step's "pattern": {"String": …} or {"Regex": …}.
std::string expression_of(const nlohmann::json& step);

}  // namespace gremium::pipeline
