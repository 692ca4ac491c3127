#include "model/archs/fields.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace gremium::archs {

namespace {

std::optional<Keys> hf_keys(const FieldNames& names) {
    if (names.hf.front().empty()) return std::nullopt;
    Keys keys(names.hf.front());
    for (size_t i = 1; i < names.hf.size() && !names.hf[i].empty(); ++i) keys.names.push_back(names.hf[i]);
    return keys;
}

bool is_said(const FieldNames& names, const Input& in) {
    return in.gguf ? !names.gguf.empty() : !names.hf.front().empty();
}

// "FILE: KEY", for messages.
std::string place(const FieldNames& names, const Input& in) {
    return fmt::format("{}: {}", in.source(), in.gguf ? key(*in.gguf, names.gguf) : std::string(names.hf.front()));
}

Number otherwise(const FieldNames& names, const Input& in) {
    return in.hf && names.hf_otherwise ? names.hf_otherwise : names.otherwise;
}

// Files may say one number for each layer, all the same.
template <typename T>
std::optional<T> find_gguf(const FieldNames& names, const Input& in) {
    const std::string name = key(*in.gguf, names.gguf);
    const MetaValue* value = in.gguf->value(name);
    if constexpr (std::is_same_v<T, int>) {
        if (value && std::holds_alternative<MetaArray>(*value)) {
            const auto each = in.gguf->require<std::vector<int32_t>>(name);
            if (each.empty()) fail("{}: {} is an empty list", in.source(), name);
            for (const int32_t other : each)
                if (other != each.front())
                    fail("{}: {} is {} and {}: layers that differ in it are not supported here", in.source(), name,
                         each.front(), other);
            return each.front();
        }
    }
    return in.gguf->find<T>(name);
}

template <typename T>
std::optional<T> find(const FieldNames& names, const Input& in) {
    const std::optional<T> found = in.gguf ? find_gguf<T>(names, in) : in.hf->find<T>(*hf_keys(names));
    if (found || otherwise(names, in)) return found;
    return in.gguf ? in.gguf->require<T>(key(*in.gguf, names.gguf)) : in.hf->require<T>(*hf_keys(names));
}

int number_at(Member<Outline> member, Outline& outline, int otherwise) {
    return member ? *std::get<int*>(member(outline)) : otherwise;
}

int from_file(int number, const FieldNames& names, const Input& in, Outline& outline) {
    const int unit = number_at(names.unit, outline, 1), plus = number_at(names.plus, outline, 0);
    const int64_t value = int64_t{number} * unit + plus;
    if (value < 0 || value > INT32_MAX) fail("{} is {}: times {} that is no width", place(names, in), number, unit);
    return static_cast<int>(value);
}

int in_file(int value, const FieldNames& names, Outline& outline) {
    const int unit = number_at(names.unit, outline, 1);
    return unit == 0 ? 0 : (value - number_at(names.plus, outline, 0)) / unit;
}

uint8_t word_of_file(const Choice& choice, const FieldNames& names, const Input& in) {
    const auto absent = static_cast<uint8_t>(otherwise(names, in).value_or(0));
    if (names.yes) {
        const auto found = find<bool>(names, in);
        return !found ? absent : *found ? static_cast<uint8_t>(*names.yes) : choice.words.front().value;
    }
    std::string known;
    if (const auto found = find<std::string>(names, in)) {
        for (const Word& word : choice.words) {
            if (word.in_hf() == *found) return word.value;
            known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", word.in_hf());
        }
        fail("{} is \"{}\", expected one of {}", place(names, in), *found, known);
    }
    return absent;
}

// One number for all layers, or one for each.
void read_each(const FieldNames& names, const Input& in, int& value, Outline& outline) {
    std::vector<int32_t>& values_L = outline.*names.each;
    const std::string name = key(*in.gguf, names.gguf);
    const auto found = in.gguf->find_per_layer<int32_t>(name, static_cast<size_t>(outline.layers));
    if (!found && !names.otherwise) fail("{}: metadata key {} is missing", in.source(), name);
    values_L = found.value_or(std::vector<int32_t>());
    value = found ? values_L.front() : static_cast<int>(*names.otherwise);
    if (std::ranges::all_of(values_L, [&](int32_t v) { return v == value; })) values_L.clear();
}

void read_member(const Field& field, const Input& in, Outline& outline) {
    const FieldNames& names = field.names;
    const auto plain = [&]<typename T>(T* value) {
        if (const auto found = find<T>(names, in))
            *value = *found;
        else if (const double absent = *otherwise(names, in); absent != kept)
            *value = static_cast<T>(absent);
        else
            return false;
        return true;
    };
    const ValueRef member = field.member(outline);
    if (const auto* choice = std::get_if<Choice>(&member)) {
        *choice->value = word_of_file(*choice, names, in);
    } else if (const auto* number = std::get_if<int*>(&member); number && names.each && in.gguf) {
        read_each(names, in, **number, outline);
    } else if (number && names.automatic && in.hf) {
        const nlohmann::json* value = in.hf->value(*hf_keys(names));
        const bool automatic = !value || *value == "auto";
        **number = automatic ? names.automatic(outline) : in.hf->require<int32_t>(*hf_keys(names));
    } else if (number) {
        if (plain(*number) && (names.unit || names.plus)) **number = from_file(**number, names, in, outline);
    } else if (const auto* real = std::get_if<float*>(&member)) {
        if (plain(*real) && names.one_minus) **real = 1 - **real;
    } else if (const auto* flag = std::get_if<bool*>(&member)) {
        plain(*flag);
    } else if (const auto* text = std::get_if<std::string*>(&member)) {
        **text = find<std::string>(names, in).value_or("");
    }
}

void set_fixed(const Field& field, Outline& outline) {
    const double value = *field.fixed;
    const ValueRef member = field.member(outline);
    if (const auto* choice = std::get_if<Choice>(&member)) *choice->value = static_cast<uint8_t>(value);
    if (const auto* number = std::get_if<int*>(&member)) **number = static_cast<int>(value);
    if (const auto* real = std::get_if<float*>(&member)) **real = static_cast<float>(value);
    if (const auto* flag = std::get_if<bool*>(&member)) **flag = value != 0;
}

// A value as it is written.
struct Written {
    MetaValue gguf;
    nlohmann::ordered_json hf;
    bool is_otherwise;
    bool is_text = false;
};

Written written_value(const Field& field, Outline& outline) {
    const FieldNames& names = field.names;
    const double otherwise = names.otherwise.value_or(kept);
    const ValueRef member = field.member(outline);
    if (const auto* choice = std::get_if<Choice>(&member)) {
        if (names.yes) {
            const bool yes = *choice->value == static_cast<uint8_t>(*names.yes);
            return {yes, yes, *choice->value == otherwise};
        }
        for (const Word& word : choice->words)
            if (word.value == *choice->value)
                return {std::string(word.in_hf()), std::string(word.in_hf()), word.value == otherwise};
        return {std::string(), nullptr, true};
    }
    if (const auto* number = std::get_if<int*>(&member)) {
        const int value = in_file(**number, names, outline);
        return {static_cast<uint32_t>(value), value, value == otherwise};
    }
    if (const auto* real = std::get_if<float*>(&member)) {
        const float number = names.one_minus ? 1 - **real : **real;
        return {number, decimal(number), number == otherwise};
    }
    if (const auto* flag = std::get_if<bool*>(&member)) return {**flag, **flag, **flag == (otherwise != 0)};
    const std::string& text = *std::get<std::string*>(member);
    return {text, text, text.empty(), true};
}

void write_literal(const Field& field, Output& out) {
    if (out.hf && field.names.written)
        (*out.hf)[std::string(field.names.hf.front())] = nlohmann::ordered_json::parse(field.literal);
}

void check_literal(const Field& field, const Input& in) {
    if (!in.hf) return;
    const std::string_view name = field.names.hf.front();
    const auto expected = nlohmann::json::parse(field.literal);
    if (!field.refuses_others) {  // where it says the same as ever, it is understood
        const auto said = in.hf->object().find(name);
        if (said != in.hf->object().end() && *said == expected) in.hf->value(name);
        return;
    }
    const nlohmann::json* value = in.hf->value(name);
    if (value && *value != expected)
        fail("{}: {} {} is not supported ({} is)", in.source(), field.names.hf.front(), value->dump(), field.literal);
}

void check_layers(const Field& field, const Input& in, const Outline& outline) {
    const std::string_view name = field.names.hf.front();
    const nlohmann::json* kinds = in.hf ? in.hf->value(name) : nullptr;
    if (!kinds) return;
    if (!kinds->is_array()) fail("{}: {} is {}, expected a list", in.source(), name, kinds->dump());
    for (int l = 0; l < outline.layers && static_cast<size_t>(l) < kinds->size(); ++l) {
        const bool whole = sees_whole(outline, l);
        const nlohmann::json& kind = kinds->at(static_cast<size_t>(l));
        if ((kind == nlohmann::json::parse(field.whole)) != whole)
            fail("{}: {}: layer {} is {}, expected {}: every {}th layer sees the whole context", in.source(), name, l,
                 kind.dump(), whole ? field.whole : field.other, outline.whole_period);
    }
}

void write_layers(const Field& field, const Outline& outline, Output& out) {
    if (!out.hf || !field.names.written) return;
    nlohmann::ordered_json& kinds = (*out.hf)[std::string(field.names.hf.front())];
    for (int l = 0; l < outline.layers; ++l)
        kinds.push_back(nlohmann::ordered_json::parse(sees_whole(outline, l) ? field.whole : field.other));
}

}  // namespace

const std::string& Input::source() const { return gguf ? gguf->source() : hf->source(); }

int Input::number(std::string_view gguf_name, std::string_view hf_name, int otherwise) const {
    return gguf ? gguf->get<int32_t>(key(*gguf, gguf_name), otherwise) : hf->get<int32_t>(hf_name, otherwise);
}

void Output::say(std::string_view gguf_name, std::string_view hf_name, int value) {
    if (gguf && !gguf_name.empty()) gguf->set(key(*gguf, gguf_name), static_cast<uint32_t>(value));
    if (hf && !hf_name.empty()) (*hf)[std::string(hf_name)] = value;
}

std::string key(const Metadata& metadata, std::string_view name) {
    return metadata.require<std::string>("general.architecture") + "." + std::string(name);
}

void read_field(const Field& field, const Input& in, Outline& outline) {
    if (field.read) return field.read(in, outline);
    if (!field.literal.empty()) return check_literal(field, in);
    if (!field.whole.empty()) return check_layers(field, in, outline);
    if (field.fixed) return set_fixed(field, outline);
    if (field.member && is_said(field.names, in)) read_member(field, in, outline);
}

void write_field(const Field& field, const Outline& outline, Output& out) {
    if (field.write) return field.write(outline, out);
    if (!field.literal.empty()) return write_literal(field, out);
    if (!field.whole.empty()) return write_layers(field, outline, out);
    if (!field.member || field.fixed || !field.names.written) return;
    Outline copy = outline;  // a member of an outline that is not const
    Written value = written_value(field, copy);
    if (field.names.each && !(outline.*field.names.each).empty()) value.gguf = MetaArray(outline.*field.names.each);
    if (value.is_text && value.is_otherwise) return;
    if (out.gguf && !field.names.gguf.empty() && !(value.is_otherwise && field.names.unsaid_in_gguf))
        out.gguf->set(key(*out.gguf, field.names.gguf), std::move(value.gguf));
    if (!out.hf || field.names.hf.front().empty()) return;
    if (value.is_otherwise && field.names.null_in_hf) value.hf = nullptr;
    (*out.hf)[std::string(field.names.hf.front())] = std::move(value.hf);
}

double decimal(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

}  // namespace gremium::archs
