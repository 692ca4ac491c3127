// What the commands share: flags, opening the model, the terminal.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "engine/arithmetic.h"
#include "engine/continuation.h"
#include "engine/session.h"
#include "model/files/importance.h"
#include "model/model.h"

namespace gremium::cli {

struct Common {
    std::string model;    // -m; empty: the default model
    int threads = 0;      // -t; 0: all cores
    std::string kernels;  // --kernels; empty: the best available
    bool json = false, quiet = false, verbose = false;
    // What the command runs models in, if it runs any.
    std::optional<engine::Arithmetic> arithmetic = {};
};

void add_common(Command command, Common& common, bool with_model = true);
// --arithmetic, and what it is unless said.
void add_arithmetic(Command command, Common& common, engine::Arithmetic unless_said);
// How long a session's context is, and the type of its keys and values: -c, --cache-type.
struct Context {
    int64_t size = 0;
    DType cache = DType::f32;
};
void add_context(Command command, Context& context);
void add_cache_type(Command command, DType& cache);
struct Generation {
    engine::GenerateOptions generate = {};
    std::vector<std::string> stop = {};
    std::function<bool(const char* flag)> said = {};  // whether the user said it
};
// How an answer is made: -n, the context's flags, the sampler's, --ignore-eos, --stop.
void add_generation(Command command, Generation& generation, Context& context);
// The same with what the model's files say of sampling where no flag does.
engine::GenerateOptions generate_options(const Generation& generation, const Model& model);
// With --verbose, which of them it is; open_model says so too.
void say_arithmetic(const Common& common);
void apply(const Common& common);                               // threads, kernels
std::string model_path(const Common& common);                   // throws Error when there is no default model
std::shared_ptr<const Model> open_model(const Common& common);  // apply + load
// A model file or version; what its files say that is not understood is named on stderr.
std::shared_ptr<const Model> open_model(const std::string& path);

// Comma-separated ids: "1,2,3".
std::vector<int32_t> parse_ids(const std::string& list);

// Of several inputs some were at fault, and the others are done: a line on stderr for each, and exit code 1. Nothing
// where all are well.
void fail_for(const std::vector<std::string>& faults);

std::string human_count(double n);  // 22.6M
std::string human_bytes(double n);  // 23.9 MiB

// An importance matrix; experts that met too few tokens for their numbers to mean much are named on stderr.
Importance open_importance(const std::string& path, const ModelSpec& spec);

// Each command's file registers it.
void add_run(Command app);
void add_chat(Command app);
void add_inspect(Command app);
void add_tokenize(Command app);
void add_eval(Command app);
void add_train(Command app);
void add_convert(Command app);
void add_bench(Command app);
void add_experts(Command app);
void add_versions(Command app);
void add_trace(Command app);
void add_replay(Command app);
void add_atlas(Command app);
void add_man(Command app);

}  // namespace gremium::cli
