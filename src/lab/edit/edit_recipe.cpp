#include "lab/edit/edit_recipe.h"

#include <charconv>
#include <functional>
#include <set>

#include <toml++/toml.h>

#include "base/error.h"
#include "lab/edit/adapt.h"
#include "lab/edit/edits.h"
#include "text/text_file.h"
#include "versions/versions.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;

template <typename Number>
bool read_number(std::string_view text, Number& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

// Takes arguments out one by one; those left at the end are unknown.
class Arguments {
  public:
    explicit Arguments(const Edit& edit) : edit_(edit), left_(edit.arguments) {}

    bool has(const std::string& key) const { return left_.contains(key); }

    std::string text(const std::string& key) {
        const auto found = left_.find(key);
        if (found == left_.end()) fail("{}: {} needs {}=…", edit_.where, edit_.operation, key);
        std::string value = found->second;
        left_.erase(found);
        return value;
    }
    std::string text(const std::string& key, const std::string& otherwise) { return has(key) ? text(key) : otherwise; }

    template <typename Number>
    Number number(const std::string& key) {
        const std::string value = text(key);
        Number number{};
        if (!read_number(value, number)) wrong(key, value, "a number");
        return number;
    }
    template <typename Number>
    Number number(const std::string& key, Number otherwise) {
        return has(key) ? number<Number>(key) : otherwise;
    }
    double share(const std::string& key) {
        const std::string value = text(key);
        double percent = 0;
        if (!value.ends_with('%') || !read_number(std::string_view(value).substr(0, value.size() - 1), percent))
            wrong(key, value, "a percentage, as 25%");
        return percent / 100;
    }
    bool flag(const std::string& key) {
        const std::string value = text(key, "false");
        if (value != "true" && value != "false") wrong(key, value, "true or false");
        return value == "true";
    }
    ExpertId expert(const std::string& key) {
        const std::string value = text(key);
        const size_t dot = value.find('.');
        ExpertId id;
        if (dot == std::string::npos || !read_number(std::string_view(value).substr(0, dot), id.layer) ||
            !read_number(std::string_view(value).substr(dot + 1), id.expert))
            wrong(key, value, "LAYER.EXPERT, as 3.17");
        return id;
    }
    Saliency saliency() {
        static const std::map<std::string, Saliency> names{{"reap", Saliency::reap},
                                                           {"frequency", Saliency::frequency},
                                                           {"gate", Saliency::gate},
                                                           {"random", Saliency::random}};
        const std::string value = text("by", "reap");
        const auto found = names.find(value);
        if (found == names.end()) wrong("by", value, "reap, frequency, gate or random");
        return found->second;
    }
    DType dtype(const std::string& key) {
        const std::string value = text(key);
        const auto type = dtype_from_name(value);
        if (!type) wrong(key, value, "a type as q8_0 or bf16");
        return *type;
    }
    void finish() const {
        if (!left_.empty())
            fail("{}: {} has no argument {}={}", edit_.where, edit_.operation, left_.begin()->first,
                 left_.begin()->second);
    }

  private:
    [[noreturn]] void wrong(const std::string& key, const std::string& value, const char* expected) const {
        fail("{}: {} {}={}: {} expected", edit_.where, edit_.operation, key, value, expected);
    }

    const Edit& edit_;
    std::map<std::string, std::string> left_;
};

// How to measure how much experts matter.
struct Calibration {
    const data::Windows& text;
    engine::Arithmetic arithmetic;

    SaliencyTable saliency(Draft& draft, Saliency by, uint64_t seed) const {
        return measure_saliency(*draft.model(), by, text, seed, arithmetic);
    }
};

// Reads an edit's arguments and returns the work to do, so that nothing changes unless all arguments are valid.
using Work = std::function<void(Draft&, const Calibration&)>;
using Reader = Work (*)(Arguments&);

Work read_prune(Arguments& a) {
    const Prune options{.share = a.share("share"), .across = a.flag("across")};
    return [options, by = a.saliency(), seed = a.number<uint64_t>("seed", 1)](Draft& d, const Calibration& c) {
        prune(d, c.saliency(d, by, seed), options);
    };
}
Work read_merge(Arguments& a) {
    return [share = a.share("share"), by = a.saliency(), seed = a.number<uint64_t>("seed", 1)](Draft& d,
                                                                                               const Calibration& c) {
        merge(d, c.saliency(d, by, seed), c.saliency(d, Saliency::frequency, seed), share);
    };
}
Work read_replace(Arguments& a) {
    return [to = a.expert("expert"), from = a.expert("from")](Draft& d, const Calibration&) { replace(d, to, from); };
}
Work read_copy(Arguments& a) {
    return [to = a.expert("expert"), from = a.expert("from"), model = a.text("model"), router = a.flag("router")](
               Draft& d, const Calibration&) { copy(d, to, versions::open_model_or_version(model), from, router); };
}
Work read_adapt(Arguments& a) {
    return [file = a.text("file"), share = a.has("share") ? a.share("share") : 1](Draft& d, const Calibration&) {
        adapt(d, file, static_cast<float>(share));
    };
}
Work read_reset(Arguments& a) {
    return [id = a.expert("expert"), seed = a.number<uint64_t>("seed", 1)](Draft& d, const Calibration&) {
        reset(d, id, seed);
    };
}
Work read_add(Arguments& a) {
    return [like = a.expert("like")](Draft& d, const Calibration&) { add(d, like); };
}
Work read_split(Arguments& a) {
    return [parts = a.number<int>("parts")](Draft& d, const Calibration&) { split(d, parts); };
}
Work read_retype(Arguments& a) {
    const DType dtype = a.dtype("type");
    if (a.has("expert"))
        return
            [dtype, id = a.expert("expert")](Draft& d, const Calibration&) { retype(d, id.layer, id.expert, dtype); };
    return [dtype, layer = a.number<int>("layer", -1)](Draft& d, const Calibration&) {
        if (layer >= 0) return retype(d, layer, -1, dtype);
        for (const DraftLayer& l : d.layers()) retype(d, l.layer, -1, dtype);
    };
}
Work read_shrink(Arguments& a) {
    return [k = a.number<int>("k"), layer = a.number<int>("layer", -1)](Draft& d, const Calibration&) {
        shrink_k(d, layer, k);
    };
}

const std::map<std::string, Reader, std::less<>>& operations() {
    static const std::map<std::string, Reader, std::less<>> all{
        {"prune", read_prune},   {"merge", read_merge},    {"replace", read_replace}, {"copy", read_copy},
        {"adapt", read_adapt},   {"reset", read_reset},    {"add", read_add},         {"split", read_split},
        {"retype", read_retype}, {"shrink-k", read_shrink}};
    return all;
}

Edit checked(Edit edit) {
    const auto reader = operations().find(edit.operation);
    if (reader == operations().end()) {
        std::string known;
        for (const auto& [name, unused] : operations()) known += (known.empty() ? "" : ", ") + name;
        fail("{}: '{}' is not an edit; the edits are {}", edit.where, edit.operation, known);
    }
    Arguments arguments(edit);
    reader->second(arguments);
    arguments.finish();
    return edit;
}

std::string value_text(const toml::node& node, const std::string& where) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    fail("{}: a string, a whole number, true or false expected", where);
}

}  // namespace

std::string Edit::text() const {
    std::string all = operation;
    for (const auto& [key, value] : arguments) all += fmt::format(" {}={}", key, value);
    return all;
}

Edit parse_edit(std::string_view text, const std::string& where) {
    Edit edit{.operation = {}, .arguments = {}, .where = where};
    while (!text.empty()) {
        const size_t space = text.find(' ');
        const std::string_view word = text.substr(0, space);
        text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
        if (word.empty()) continue;
        const size_t equals = word.find('=');
        if (edit.operation.empty())
            edit.operation = word;
        else if (equals == std::string_view::npos)
            fail("{}: {}: NAME=VALUE expected, found '{}'", where, edit.operation, word);
        else
            edit.arguments[std::string(word.substr(0, equals))] = word.substr(equals + 1);
    }
    return checked(std::move(edit));
}

std::vector<Edit> parse_edits(std::string_view text, const std::string& source) {
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (const toml::parse_error& error) {
        fail("{}:{}: {}", source, error.source().begin.line, error.description());
    }
    const auto* list = root["edit"].as_array();
    if (!list || root.size() != 1) fail("{}: tables [[edit]] expected, and nothing else", source);
    std::vector<Edit> edits;
    for (const toml::node& node : *list) {
        const std::string where = fmt::format("{}:{}", source, node.source().begin.line);
        if (!node.is_table()) fail("{}: a table [[edit]] expected", where);
        Edit edit{.operation = {}, .arguments = {}, .where = where};
        for (const auto& [key, value] : *node.as_table()) {
            const std::string argument = value_text(value, fmt::format("{}: {}", where, key.str()));
            (key == "do" ? edit.operation : edit.arguments[std::string(key.str())]) = argument;
        }
        edits.push_back(checked(std::move(edit)));
    }
    return edits;
}

std::vector<Edit> read_edits(const std::filesystem::path& path) {
    return parse_edits(read_text(path, {}, size_t{1} << 20), path.string());
}

void apply_edit(Draft& draft, const Edit& edit, const data::Windows& calibration, engine::Arithmetic arithmetic) {
    Arguments arguments(edit);
    const Work work = operations().at(edit.operation)(arguments);
    try {
        work(draft, {calibration, arithmetic});
    } catch (const Error& error) {
        fail("{}: {}: {}", edit.where, edit.operation, error.what());
    }
}

}  // namespace gremium::lab
