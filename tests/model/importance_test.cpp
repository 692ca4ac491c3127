// What the columns of matrices meet, against sums worked out here and the routing that a hook sees.
#include "model/files/importance.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/parallel.h"
#include "engine/evaluate.h"
#include "formats/gguf/gguf.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "model/spec/tensors.h"
#include "tensor/quantised/blocks.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"
#include "tests/source_directory.h"

namespace gremium::test {
namespace {

struct Load : moe::RoutingHook {
    std::map<int, std::vector<int64_t>> tokens;  // [layer][expert]
    void after_selection(const moe::AfterSelection& s) override {
        tokens[s.layer].resize(static_cast<size_t>(s.experts));
        for (const int32_t id : s.ids_Tk) ++tokens[s.layer][static_cast<size_t>(id)];
    }
};

class ImportanceTest : public testing::Test {
  protected:
    void TearDown() override {
        std::filesystem::remove(path_);
        set_threads(0);
    }
    std::string path_ =
        std::filesystem::temp_directory_path() / ("gremium-importance-" + std::to_string(getpid()) + ".gguf");
};

TensorSlot slot_of(const Model& model, const std::string& name) {
    const std::vector<TensorSlot> slots = tensor_slots(model.spec);
    return *std::ranges::find(slots, name, &TensorSlot::name);
}

// The inputs of an expert's matrices are rows of x, gathered; they are counted by the matrix they meet.
TEST_F(ImportanceTest, SumsSquaresOfTheRowsThatMeetAMatrix) {
    const auto model = tiny_model("mixtral", {.layers = 1, .dim = 32, .experts = 4});
    const auto matrix = [&](int e) { return model->experts->peek({0, e}).up.value; };
    const TensorView other = model->weights.embedding.value;
    std::vector<float> x(3 * 32);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 2;
    const std::vector<int32_t> rows{2, 0, 2, 1}, offsets{0, 2, 2, 4};
    const std::vector<TensorView> weights{matrix(3), matrix(0), other};
    ImportanceRecorder recorder(*model);
    for (const int threads : {1, 2}) {
        set_threads(threads);
        recorder.on_matmul(as_tensor(std::as_const(x).data(), {3, 32}), rows, weights, offsets);
    }
    recorder.save(path_, {"a text"}, 8);
    const Importance read(path_);
    read.require_same_shapes(model->spec);
    const TensorSlot up = slot_of(*model, "blk.0.ffn_up_exps.weight");
    const std::span<const float> means = read.of(up, 3);
    ASSERT_EQ(means.size(), 32u);
    for (size_t k = 0; k < 32; ++k) EXPECT_FLOAT_EQ(means[k], (x[64 + k] * x[64 + k] + x[k] * x[k]) / 2);
    EXPECT_TRUE(read.of(up, 0).empty());
    EXPECT_TRUE(read.of(up, 9).empty());
    EXPECT_TRUE(read.of(slot_of(*model, "token_embd.weight")).empty());
    const GgufFile file = open_gguf(path_);
    EXPECT_EQ(file.metadata.require<std::string>("general.type"), "imatrix");
    EXPECT_EQ(file.metadata.require<std::vector<std::string>>("imatrix.datasets"), std::vector<std::string>{"a text"});
    EXPECT_EQ(file.tensors.require("blk.0.ffn_up_exps.weight.in_sum2").shape, (Shape{4, 32}));
    EXPECT_EQ(file.tensors.require("blk.0.ffn_up_exps.weight.counts").shape, (Shape{4, 1}));
}

// The older layout has means of as many calls; what it says weighs as the same figures of the newer one do.
TEST_F(ImportanceTest, BothLayoutsOfLlamaImatrix) {
    const auto model = tiny_model("mixtral", {.layers = 1, .experts = 2});
    ImportanceRecorder recorder(*model);
    const std::vector<float> x(4 * 32, 0.5f);
    const TensorView up = model->experts->peek({0, 1}).up.value, query = model->weights.layers[0].attention().q.value;
    for (const TensorView matrix : {up, query})
        recorder.on_matmul(as_tensor(x.data(), {4, 32}), {}, {&matrix, 1}, std::vector<int32_t>{0, 4});
    const std::filesystem::path dat = std::filesystem::path(path_).replace_extension(".dat");
    recorder.save(path_, {"/a/folder/text.txt"}, 2);
    recorder.save(dat, {"/a/folder/text.txt"}, 2);
    const Importance newer(path_), older(dat);
    older.require_same_shapes(model->spec);
    for (const TensorSlot& slot : tensor_slots(model->spec))
        for (int m = 0; m < (slot.of_experts() ? 2 : 1); ++m)
            EXPECT_TRUE(std::ranges::equal(newer.of(slot, m), older.of(slot, m))) << slot.name;
    EXPECT_FALSE(older.of(slot_of(*model, "blk.0.ffn_up_exps.weight"), 1).empty());
    EXPECT_TRUE(older.of(slot_of(*model, "blk.0.ffn_up_exps.weight"), 0).empty());
    EXPECT_TRUE(older.scarce(model->spec, 64).empty());
    for (const Importance* read : {&newer, &older}) {
        EXPECT_EQ(read->origin().text, "text.txt");
        EXPECT_EQ(read->origin().windows, 2);
    }
    const std::string bytes = read_text_file(dat);
    std::filesystem::resize_file(dat, bytes.size() / 2);
    EXPECT_THROW(Importance{dat}, Error);
    write_file_atomically(dat, "what else may be in a file");
    EXPECT_THROW(Importance{dat}, Error);
    std::filesystem::remove(dat);
}

// An expert is as well known as the least known of its matrices.
TEST_F(ImportanceTest, ScarceExpertsAreNamed) {
    const auto model = tiny_model("mixtral", {.layers = 2, .experts = 3});
    ImportanceRecorder recorder(*model);
    const std::vector<float> x(5 * 32, 1);
    const auto meet = [&](int layer, int expert, int32_t rows) {
        const moe::ExpertWeights& w = model->experts->peek({layer, expert});
        for (const ops::Weight* weight : {&w.gate, &w.up, &w.down}) {
            const TensorView matrix = weight->value;
            recorder.on_matmul(as_tensor(x.data(), {5, matrix.cols()}), {}, {&matrix, 1},
                               std::vector<int32_t>{0, rows});
        }
    };
    for (const int layer : {0, 1})
        for (const int expert : {0, 1, 2})
            if (layer + expert != 2) meet(layer, expert, 5);
    meet(1, 1, 2);
    recorder.save(path_, {}, 8);
    const auto scarce = Importance(path_).scarce(model->spec, 5);
    ASSERT_EQ(scarce.size(), 2u);
    EXPECT_EQ(std::tuple(scarce[0].layer, scarce[0].expert, scarce[0].tokens), std::tuple(0, 2, 0));
    EXPECT_EQ(std::tuple(scarce[1].layer, scarce[1].expert, scarce[1].tokens), std::tuple(1, 1, 2));
    EXPECT_TRUE(Importance(path_).scarce(model->spec, 0).empty());
}

TEST_F(ImportanceTest, EvaluationCountsWhatRoutingSays) {
    const auto model = tiny_model("qwen2moe");
    const auto tokens = random_tokens(model->spec.vocab, 65);
    ImportanceRecorder recorder(*model);
    Load load;
    const engine::Evaluation watched =
        engine::evaluate(*model, tokens, {.window = 16, .hook = &load, .observer = &recorder});
    EXPECT_EQ(watched.nats, engine::evaluate(*model, tokens, {.window = 16}).nats);
    recorder.save(path_, {}, 16);
    const TensorIndex file = open_gguf(path_).tensors;
    for (const TensorSlot& slot : tensor_slots(model->spec)) {
        const bool multiplied = slot.role == TensorRole::matrix || slot.role == TensorRole::head;
        if (multiplied) {
            EXPECT_EQ(to_floats(file.require(slot.name + ".counts")), std::vector{64.f}) << slot.name;
        }
        if (slot.role != TensorRole::expert) continue;
        const auto& expected = load.tokens.at(slot.layer);
        EXPECT_EQ(to_floats(file.require(slot.name + ".counts")), std::vector<float>(expected.begin(), expected.end()));
    }
}

// Of latent attention the matrices of heads are a stack too, with one count.
TEST_F(ImportanceTest, StacksOfHeads) {
    const auto model = tiny_model("deepseek2");
    ImportanceRecorder recorder(*model);
    engine::evaluate(*model, random_tokens(model->spec.vocab, 17), {.window = 16, .observer = &recorder});
    recorder.save(path_, {}, 16);
    const TensorIndex file = open_gguf(path_).tensors;
    const TensorSlot slot = slot_of(*model, "blk.1.attn_v_b.weight");
    const std::vector<float> squares = to_floats(file.require(slot.name + ".in_sum2", {1, 4 * 14}));
    EXPECT_EQ(to_floats(file.require(slot.name + ".counts")), std::vector{16.f});
    const Importance read(path_);
    read.require_same_shapes(model->spec);
    for (int head = 0; head < 4; ++head) {
        const auto means = read.of(slot, head);
        ASSERT_EQ(means.size(), 14u);
        for (size_t k = 0; k < means.size(); ++k)
            EXPECT_FLOAT_EQ(means[k], squares[static_cast<size_t>(head) * 14 + k] / 16);
    }
}

TEST_F(ImportanceTest, WeighsTheQuantiser) {
    const auto model = tiny_model("mixtral", {.layers = 1, .dim = 32, .experts = 2});
    std::vector<float> columns(32, 1e-4f);
    columns[5] = 1;  // all that counts
    const auto error = [&](const SaveOptions& options) {
        save_model(*model, path_, options);
        const auto before = to_floats(model->experts->peek({0, 1}).up.value),
                   after = to_floats(load_model(path_)->experts->peek({0, 1}).up.value);
        double sum = 0;
        for (size_t i = 5; i < before.size(); i += 32) sum += std::pow(double{before[i]} - double{after[i]}, 2);
        return sum;
    };
    const auto importance = [&](const TensorSlot& slot, int expert) {
        const bool meant = slot.name == "blk.0.ffn_up_exps.weight" && expert == 1;
        return meant ? std::span<const float>(columns) : std::span<const float>();
    };
    EXPECT_LT(error({.dtype = DType::q4_0, .importance = importance}), 0.3 * error({.dtype = DType::q4_0}));
}

double divergence(std::shared_ptr<const Model> exact, std::shared_ptr<const Model> other,
                  const std::vector<int32_t>& tokens) {
    const auto p = all_logprobs(std::move(exact), tokens), q = all_logprobs(std::move(other), tokens);
    double sum = 0;
    for (size_t t = 0; t < p.size(); ++t)
        for (size_t i = 0; i < p[t].size(); ++i) sum += std::exp(p[t][i]) * (p[t][i] - q[t][i]);
    return sum / static_cast<double>(p.size());
}

// What it is for: a model that learnt something, quantised for one text, comes closer to itself on another.
TEST_F(ImportanceTest, KeepsATrainedModelCloserToItself) {
    const auto model = load_model(test::source_directory() / "models/default.gguf");
    const auto read = [&](const char* file, size_t begin, size_t length) {
        return model->tokenizer->encode(read_text_file(test::source_directory() / file).substr(begin, length));
    };
    ImportanceRecorder recorder(*model);
    engine::evaluate(*model, read("README.md", 0, 6000), {.window = 512, .observer = &recorder});
    recorder.save(path_, {"README.md"}, 512);
    const Importance importance(path_);
    importance.require_same_shapes(model->spec);
    auto tokens = read("ARCHITECTURE.md", 0, 6000);
    tokens.resize(1000);
    const std::string out = path_ + ".model";
    for (const DType dtype : {DType::q2_k, DType::q4_k, DType::iq4_xs}) {
        const auto distance = [&](bool weighed) {
            SaveOptions options{.dtype = dtype};
            if (weighed) options.importance = [&](const TensorSlot& slot, int m) { return importance.of(slot, m); };
            save_model(*model, out, options);
            return divergence(model, load_model(out), tokens);
        };
        const double plain = distance(false), weighed = distance(true);
        EXPECT_LT(weighed, 0.95 * plain) << info(dtype).name;
        RecordProperty(std::string(info(dtype).name), std::to_string(weighed / plain));
    }
    std::filesystem::remove(out);
}

TEST_F(ImportanceTest, OtherFilesAreRefused) {
    const auto expect_error = [&](const std::function<void()>& action, const std::string& part) {
        try {
            action();
            ADD_FAILURE() << "no error about " << part;
        } catch (const Error& error) {
            const std::string message = error.what();
            EXPECT_NE(message.find(part), std::string::npos) << message;
            EXPECT_NE(message.find(path_), std::string::npos) << message;
            EXPECT_EQ(message.find('\n'), std::string::npos) << message;
        }
    };
    const auto read = [&] { Importance{path_}; };
    save_model(*tiny_model("llama"), path_);
    expect_error(read, "no importance matrix");

    const auto write = [&](std::vector<float> squares, std::vector<float> rows, const char* counts) {
        Metadata metadata;
        metadata.set("general.type", std::string("imatrix"));
        GgufWriter writer(
            path_, metadata,
            {{"w.in_sum2", DType::f32, {1, std::ssize(squares)}}, {counts, DType::f32, {std::ssize(rows), 1}}});
        writer.write("w.in_sum2", std::as_bytes(std::span(squares)));
        writer.write(counts, std::as_bytes(std::span(rows)));
        writer.finish();
    };
    write({1, -1}, {2}, "w.counts");
    expect_error(read, "no sums of squares");
    write({1, NAN}, {2}, "w.counts");
    expect_error(read, "no sums of squares");
    write({1, 1, 1}, {2, 2}, "w.counts");
    expect_error(read, "3 numbers and 2 counts");
    write({1}, {1e30f}, "w.counts");
    expect_error(read, "1 numbers and 1 counts");
    write({1, 1}, {2}, "v.counts");
    expect_error(read, "w.counts");
    write({1, 1}, {2}, "w.counts");
    expect_error([&] { Importance(path_).require_same_shapes(tiny_spec("llama")); }, "another model");
    std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 40);
    expect_error(read, "");

    ImportanceRecorder(*tiny_model("mixtral")).save(path_, {}, 16);
    for (const TinyShape& shape : {TinyShape{.experts = 5}, TinyShape{.dim = 40}})
        expect_error([&] { Importance(path_).require_same_shapes(tiny_spec("mixtral", shape)); }, "the model has");
    Importance(path_).require_same_shapes(tiny_spec("mixtral"));
}

}  // namespace
}  // namespace gremium::test
