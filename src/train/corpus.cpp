#include "train/corpus.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"
#include "base/parallel.h"
#include "data/documents.h"
#include "model/files/load.h"
#include "model/model.h"
#include "text/hf_tokenizer.h"
#include "text/train_vocabulary.h"

namespace gremium::train {
namespace {

using Note = std::function<void(std::string_view)>;
namespace fs = std::filesystem;

std::string hash_of(const std::string& text) { return content_hash(std::as_bytes(std::span(text))); }

std::string hash_of(const Vocabulary& v) {
    std::string text = fmt::format("{} {} {} {} {} {} {} {} {}\n", v.model, v.pre, v.bos, v.eos, v.unk, v.add_bos,
                                   v.add_eos, v.add_space_prefix, v.remove_extra_whitespaces);
    for (const std::string& token : v.tokens) text += fmt::format("{}:{}", token.size(), token);
    for (const float score : v.scores) text += fmt::format(" {:a}", score);
    for (const TokenType type : v.types) text += fmt::format(" {}", static_cast<int>(type));
    for (const std::string& merge : v.merges) text += merge + '\n';
    return hash_of(text + v.pipeline);
}

// One domain's text, split into training and held-out text.
struct DomainText {
    std::unique_ptr<data::Documents> files, heldout_files;
    std::vector<std::string_view> train, heldout;
    std::string hash;
};

void split(DomainText& text, double share, bool cut_few) {
    const auto documents = text.files->all();
    data::Split parts = data::split_documents(documents, share);
    text.hash = hash_of(fmt::format("{} {}", text.hash, share));
    if (cut_few && (parts.train.empty() || parts.heldout.empty())) {
        parts = data::split_end(documents, share);
        text.hash = hash_of(text.hash + " end");
    }
    text.train = std::move(parts.train);
    text.heldout = std::move(parts.heldout);
}

// What is hardly meant so.
void note_odd_files(const DomainText& text, const Note& note) {
    std::set<fs::path> trained;
    std::error_code ignored;
    for (const MappedFile& file : text.files->files()) {
        if (file.bytes().empty()) note(fmt::format("{}: is empty", file.path().string()));
        trained.insert(fs::canonical(file.path(), ignored));
    }
    if (!text.heldout_files) return;
    for (const MappedFile& file : text.heldout_files->files()) {
        if (file.bytes().empty()) note(fmt::format("{}: is empty", file.path().string()));
        if (trained.contains(fs::canonical(file.path(), ignored)))
            note(fmt::format("{}: is held out and trained on as well", file.path().string()));
    }
}

DomainText read_domain(const DomainConfig& config, bool cut_few, const Note& note) {
    DomainText text;
    if (config.files.empty()) return text;
    text.files = std::make_unique<data::Documents>(config.files, note);
    text.hash = text.files->hash();
    if (text.files->all().empty())
        fail("{}: no text to train on in [[data]] \"{}\"", config.files.front(), config.name);
    text.train.assign(text.files->all().begin(), text.files->all().end());
    if (config.heldout_share > 0) {
        split(text, config.heldout_share, cut_few);
        if (text.train.empty())
            fail("[[data]] \"{}\": heldout_share = {} would hold out all of its text", config.name,
                 config.heldout_share);
    } else if (!config.heldout_files.empty()) {
        text.heldout_files = std::make_unique<data::Documents>(config.heldout_files, note);
        const auto documents = text.heldout_files->all();
        text.heldout.assign(documents.begin(), documents.end());
    }
    note_odd_files(text, note);
    return text;
}

std::string hash_of_file(const std::string& tokens) {
    return tokens.empty() ? "" : content_hash(MappedFile(tokens).bytes());
}

Origin origin_of(const TrainConfig& config, const std::vector<DomainText>& texts) {
    Origin origin;
    for (size_t d = 0; d < texts.size(); ++d) {
        const DomainConfig& domain = config.data[d];
        const DomainText& text = texts[d];
        origin.text[domain.name] = text.files ? text.hash : hash_of_file(domain.tokens);
        origin.heldout[domain.name] =
            text.heldout_files ? text.heldout_files->hash() : hash_of_file(domain.heldout_tokens);
    }
    return origin;
}

constexpr std::string_view way_out = "; with it as it was the run goes on, another output.dir begins a new one";

void require_same_texts(const Begun& begun, const Origin& now) {
    if (!begun.origin) return;
    const auto compare = [&](const auto& was, const auto& is, std::string_view what) {
        for (const auto& [domain, hash] : is)
            if (const auto found = was.find(domain); found == was.end() || found->second != hash)
                fail("{}: the {} of [[data]] \"{}\" is not what the run was started with{}", begun.checkpoint, what,
                     domain, way_out);
    };
    compare(begun.origin->text, now.text, "text");
    compare(begun.origin->heldout, now.heldout, "held-out text");
}

void require_same_vocabulary(const Begun& begun, const Vocabulary& now) {
    const bool same = begun.origin ? begun.origin->vocabulary == data::hash_of_tokens(now)
                                   : begun.trained.empty() || begun.trained == now.tokens;
    if (!same)
        fail("{}: the vocabulary is not what the run was started with (of a trained one: the text is not){}",
             begun.checkpoint, way_out);
}

// Selects documents spread evenly over a domain, about `budget` bytes in total, in order; long ones are cut off.
std::vector<std::string_view> sample(std::span<const std::string_view> documents, int64_t budget) {
    constexpr size_t piece = size_t{64} << 10;
    int64_t total = 0;
    for (const auto& document : documents) total += static_cast<int64_t>(std::min(document.size(), piece));
    const double share = std::min(1.0, static_cast<double>(budget) / static_cast<double>(std::max<int64_t>(total, 1)));
    std::vector<std::string_view> samples;
    // Begins at 1 to take the first document; afterwards it takes one each time the shares add up to 1.
    double due = 1;
    for (const auto& document : documents) {
        if (due >= 1) {
            samples.push_back(document.substr(0, piece));
            due -= 1;
        }
        due += share;
    }
    return samples;
}

Vocabulary train_on(const TrainConfig& config, const std::vector<DomainText>& texts) {
    double weights = 0;
    for (const DomainConfig& domain : config.data) weights += domain.weight;
    std::vector<std::string_view> samples;
    for (size_t d = 0; d < texts.size(); ++d) {
        const double share = config.data[d].weight / weights;
        const auto budget = static_cast<int64_t>(static_cast<double>(config.tokenizer.sample_bytes) * share);
        const auto part = sample(texts[d].train, budget);
        samples.insert(samples.end(), part.begin(), part.end());
    }
    size_t next = 0;
    const VocabularyTraining training{.size = config.tokenizer.vocab_size, .or_fewer = true, .threads = threads()};
    return train_vocabulary(training, [&](std::string& text) {
        if (next == samples.size()) return false;
        text = samples[next++];
        return true;
    });
}

std::shared_ptr<const Tokenizer> find_tokenizer(const TrainConfig& config, const std::vector<DomainText>& texts,
                                                const Note& note) {
    if (!config.tokenizer.path.empty()) return load_tokenizer(config.tokenizer.path);
    std::string key = fmt::format("{} {}", config.tokenizer.vocab_size, config.tokenizer.sample_bytes);
    for (size_t d = 0; d < texts.size(); ++d) key += fmt::format(" {} {}", texts[d].hash, config.data[d].weight);
    const fs::path cached = fs::path(config.output.dir) / ("tokenizer-" + hash_of(key).substr(0, 16));
    if (!fs::exists(cached)) {
        note(fmt::format("training a vocabulary of {} tokens", config.tokenizer.vocab_size));
        const Vocabulary vocabulary = train_on(config, texts);
        fs::path temporary = cached;
        temporary += ".tmp";
        fs::remove_all(temporary);
        fs::create_directory(temporary);
        write_hf_tokenizer(vocabulary, temporary);
        commit_directory(temporary, cached);
    }
    auto tokenizer = make_tokenizer(read_hf_tokenizer(cached));  // as files carry it, whether cached or not
    if (const int size = tokenizer->vocabulary().size(); size < config.tokenizer.vocab_size)
        note(fmt::format("the text gives a vocabulary of {} tokens, {} were asked for", size,
                         config.tokenizer.vocab_size));
    return tokenizer;
}

data::TokenFile tokens_of(const fs::path& directory, const std::string& name, const std::string& text_hash,
                          std::span<const std::string_view> documents, const Tokenizer& tokenizer, const Note& note) {
    const std::string hash = hash_of(text_hash + hash_of(tokenizer.vocabulary()));
    const fs::path path = directory / fmt::format("{}-{}.tokens", name, hash.substr(0, 16));
    if (!fs::exists(path)) {
        note(fmt::format("tokenising {}", name));
        data::write_token_file(path, tokenizer, documents);
    }
    return data::TokenFile(path, tokenizer.vocabulary().size());
}

Domain prepare_domain(const DomainConfig& config, const DomainText& text, const fs::path& directory,
                      const Tokenizer& tokenizer, const Note& note) {
    Domain domain{config.name, config.weight, {}, {}};
    if (!config.tokens.empty()) {
        const std::string tokens = data::hash_of_tokens(tokenizer.vocabulary());
        const auto open = [&](const std::string& path) {
            data::TokenFile file(path, tokenizer.vocabulary().size(), tokens);
            if (!file.names_vocabulary())
                note(fmt::format("{}: of an earlier version, does not say which vocabulary it was made with", path));
            return file;
        };
        domain.tokens = open(config.tokens);
        if (!config.heldout_tokens.empty()) domain.heldout = open(config.heldout_tokens);
        return domain;
    }
    domain.tokens = tokens_of(directory, config.name, text.hash, text.train, tokenizer, note);
    if (!text.heldout.empty()) {
        const std::string hash = text.heldout_files ? text.heldout_files->hash() : text.hash;
        domain.heldout =
            tokens_of(directory, config.name + "-heldout", "heldout " + hash, text.heldout, tokenizer, note);
    }
    return domain;
}

}  // namespace

nlohmann::json to_json(const Origin& origin) {
    return {{"text", origin.text}, {"heldout", origin.heldout}, {"vocabulary", origin.vocabulary}};
}

Origin origin_from(const nlohmann::json& json) { return {json.at("text"), json.at("heldout"), json.at("vocabulary")}; }

Corpus prepare_corpus(const TrainConfig& config, const std::optional<Begun>& begun, const Note& note) {
    std::vector<DomainText> texts;
    // Programs that wrote no origin did not cut either.
    const bool cut_few = !begun || begun->origin;
    for (const DomainConfig& domain : config.data) texts.push_back(read_domain(domain, cut_few, note));
    Corpus corpus{.tokenizer = nullptr, .domains = {}, .origin = origin_of(config, texts)};
    if (begun) require_same_texts(*begun, corpus.origin);

    const fs::path directory = fs::path(config.output.dir) / "data";
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) fail("{}: cannot create: {}", directory.string(), error.message());
    corpus.tokenizer = find_tokenizer(config, texts, note);
    if (begun) require_same_vocabulary(*begun, corpus.tokenizer->vocabulary());
    corpus.origin.vocabulary = data::hash_of_tokens(corpus.tokenizer->vocabulary());
    for (size_t d = 0; d < texts.size(); ++d) {
        corpus.domains.push_back(prepare_domain(config.data[d], texts[d], directory, *corpus.tokenizer, note));
    }
    return corpus;
}

}  // namespace gremium::train
