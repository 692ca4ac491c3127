// From a recipe's text files to tokens: the tokenizer (read or trained) and one token file per domain, cached in the
// output directory under a hash of the text and the vocabulary.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
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

// What a run's tokens are made of, by hashes: what it needs to find again when it goes on.
struct Origin {
    std::map<std::string, std::string> text, heldout;  // by domain
    std::string vocabulary;                            // of its tokens; empty: not known
};
nlohmann::json to_json(const Origin& origin);
Origin origin_from(const nlohmann::json& json);

struct Corpus {
    std::shared_ptr<const Tokenizer> tokenizer;
    std::vector<Domain> domains;
    Origin origin;
};

// A run that goes on.
struct Begun {
    std::string checkpoint;                 // for messages
    std::optional<Origin> origin;           // nothing: of an earlier version of the program
    std::vector<std::string> trained = {};  // the tokens of its vocabulary, where it trained that itself
};

// `note` hears what takes a while ("tokenising german"), and what of the texts is not as one might think. Throws Error
// for missing files and empty domains, and, before anything is written, for other texts or another vocabulary than a
// run was begun with.
Corpus prepare_corpus(const TrainConfig& config, const std::optional<Begun>& begun,
                      const std::function<void(std::string_view)>& note);

}  // namespace gremium::train
