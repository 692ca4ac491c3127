// From a recipe's files to tokens: the tokenizer (found or trained) and a token file for each domain, cached in the
// output directory under the hash of the text and the vocabulary.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/token_file.h"
#include "train/config.h"

namespace gremium::train {

struct Domain {
    std::string name;
    double weight;
    data::TokenFile tokens;
    data::TokenFile heldout;  // no tokens when the recipe holds nothing out
};

struct Corpus {
    std::shared_ptr<const Tokenizer> tokenizer;
    std::vector<Domain> domains;
};

// `note` hears what takes a while ("tokenising german"). Throws Error for missing files and empty domains.
Corpus prepare_corpus(const TrainConfig& config, const std::function<void(std::string_view)>& note);

}  // namespace gremium::train
