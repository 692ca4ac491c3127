// From a recipe's text files to tokens: the tokenizer (read or trained) and one token file per domain, cached in the
// output directory under a hash of the text and the vocabulary.
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
    data::TokenFile heldout;  // no tokens if the recipe holds nothing out
};

struct Corpus {
    std::shared_ptr<const Tokenizer> tokenizer;
    std::vector<Domain> domains;
};

// `note` is called before work that takes a while ("tokenising german"). Throws Error for missing files and empty
// domains.
Corpus prepare_corpus(const TrainConfig& config, const std::function<void(std::string_view)>& note);

}  // namespace gremium::train
