// Field tables: an architecture writes each of its settings once, and is read from and written to GGUF metadata and
// config.json by it. What a table cannot say is a small function in it.
#pragma once

#include <nlohmann/json.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "formats/hugging_face/hf.h"
#include "formats/metadata.h"
#include "model/spec/outline.h"
#include "model/spec/value_ref.h"

namespace gremium::archs {

// What a config.json means that does not say it: the defaults of the architecture's configuration class in
// transformers. The last is GGUF's.
struct HfDefaults {
    float eps = 1e-6f, rope_base = 10000;
    double rotated_share = 1;         // of each head
    std::string_view rotation = {};   // what counts when neither rope_scaling nor rope_parameters is there: JSON
    bool use_sliding_window = false;  // whether sliding_window counts when use_sliding_window is absent
    bool reads_windows = false;       // otherwise windows are refused
    bool rotates_by_kind = false;     // windowed layers may have a rotation of their own
    bool layer_norms = false;         // where only attention.layer_norm_epsilon is said, norms are LayerNorms
};

// The settings of one file, in either format: the other pointer is null.
struct Input {
    const Metadata* gguf = nullptr;
    const HfConfig* hf = nullptr;
    HfDefaults defaults = {};

    const std::string& source() const;
    // The number under its key in this format, or another one.
    int number(std::string_view gguf_name, std::string_view hf_name, int otherwise) const;
};
struct Output {
    Metadata* gguf = nullptr;
    nlohmann::ordered_json* hf = nullptr;

    // Under its key in this format; an empty name: that does not say it.
    void say(std::string_view gguf_name, std::string_view hf_name, int value);
};

// "ARCHITECTURE.name", a key of GGUF metadata.
std::string key(const Metadata& metadata, std::string_view name);

// As FieldNames::otherwise: the outline keeps what it has.
inline constexpr double kept = -0x1p-1000;

// A number, a truth or a value of an enumeration as tables hold it.
struct Number : std::optional<double> {
    constexpr Number() = default;
    template <typename T>
    constexpr Number(T value) : std::optional<double>(static_cast<double>(value)) {}
};

// How files name a field. A format whose name is empty does not say it.
struct FieldNames {
    std::string_view gguf = {};  // behind "ARCHITECTURE."
    // Any of these is read, the first that is there; the first is written.
    std::array<std::string_view, 3> hf = {};
    Number otherwise = {};     // what absence means; nothing: the field must be there
    Number hf_otherwise = {};  // the same of config.json, where it differs
    // What absence and the word "auto" mean in config.json.
    int (*automatic)(const Outline&) = nullptr;
    Number yes = {};                 // of an enumeration: files say true for this value, false for its first
    Member<Outline> unit = nullptr;  // files count in this member: value = number · unit
    bool one_minus = false;          // of a real number: value = 1 − number
    Member<Outline> plus = nullptr;  // and from this one on: value = number + plus
    // GGUF may say one number a layer.
    std::vector<int32_t> Outline::*each = nullptr;
    // What `otherwise` means is written as nothing (GGUF) or as null (Hugging Face).
    bool unsaid_in_gguf = false, null_in_hf = false;
    bool written = true;
};

struct Field {
    Member<Outline> member = nullptr;
    FieldNames names = {};
    // Of a field that is the same in every model of the architecture, its value.
    Number fixed = {};
    // Of what is the same in every config.json: JSON.
    std::string_view literal = {};
    bool refuses_others = false;
    // Of a list of layers in config.json, the JSON for those that see the whole context and for others; another pattern
    // than the outline's is refused.
    std::string_view whole = {}, other = {};
    // Instead of the above.
    void (*read)(const Input& in, Outline& outline) = nullptr;
    void (*write)(const Outline& outline, Output& out) = nullptr;
};
using Fields = std::span<const Field>;

constexpr Field field(Member<Outline> member, FieldNames names) { return {.member = member, .names = names}; }

// In every model of the architecture the member has this value, which files do not say.
constexpr Field always(Member<Outline> member, Number value) { return {.member = member, .fixed = value}; }

// A key of config.json that says the same in every model. `expected`: another value is refused; `written` and so on: it
// is only written, only read, or both.
constexpr Field written(std::string_view name, std::string_view json) {
    return {.names = {.hf = {name}}, .literal = json};
}
constexpr Field expected(std::string_view name, std::string_view json) {
    return {.names = {.hf = {name}, .written = false}, .literal = json, .refuses_others = true};
}
constexpr Field written_and_expected(std::string_view name, std::string_view json) {
    return {.names = {.hf = {name}}, .literal = json, .refuses_others = true};
}

constexpr Field kinds_of_layers(std::string_view name, std::string_view whole, std::string_view other,
                                bool written = true) {
    return {.names = {.hf = {name}, .written = written}, .whole = whole, .other = other};
}

// What a table cannot say: functions for files of both formats or of one, that have their say in the order of the
// table.
using Read = void (*)(const Input& in, Outline& outline);
using Write = void (*)(const Outline& outline, Output& out);
constexpr Field special(Read read, Write write = nullptr) { return {.read = read, .write = write}; }

// Reads and writes one field. Errors name the file and the key.
void read_field(const Field& field, const Input& in, Outline& outline);
void write_field(const Field& field, const Outline& outline, Output& out);

double decimal(float value);  // the shortest decimal that reads back as value

}  // namespace gremium::archs
