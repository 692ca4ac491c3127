// The recipe of a training run, and after a zero byte a value that overrides one of it.
#include <nlohmann/json.hpp>

#include "fuzz/target.h"
#include "train/config.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    const auto parts = parts_of(input, 2);
    std::vector<std::string> overrides;
    if (!parts[1].empty()) overrides.emplace_back(parts[1]);
    const train::TrainConfig config = train::parse_config(parts[0], "recipe.toml", overrides);
    require(train::first_conflict(train::to_json(config), train::to_json(config)).empty());
    validate(train::model_spec(config.model, 512), "recipe.toml");
}

}  // namespace gremium::fuzz
