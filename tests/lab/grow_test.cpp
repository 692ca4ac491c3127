// One more expert a layer for a new kind of text.
#include "lab/edit/grow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "lab/edit/draft.h"
#include "lab/find/find.h"
#include "model/spec/tensors.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"
#include "versions/named_tensors.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;
using test::tiny_model;

// Tokens of a range that no other text has.
data::Windows text_of(int first, size_t windows = 20) {
    data::Windows all;
    for (size_t i = 0; i < windows; ++i) {
        std::vector<int32_t> w = test::random_tokens(12, 24);
        for (size_t t = 0; t < w.size(); ++t) w[t] = first + (w[t] * 7 + static_cast<int>(i * t)) % 12;
        all.push_back(w);
    }
    return all;
}

TEST(Grow, NewExpertsAreChosenByTheNewTextAndHardlyByTheOld) {
    for (const char* name : {"mixtral", "dots1", "gptoss"}) {  // without bias, with corrections, with biases
        const auto model = tiny_model(name);
        const data::Windows text = text_of(10), old = text_of(100);
        const Grown grown = grow(model, text, old, 0.05);
        EXPECT_EQ(grown.experts.size(), Draft(model).layers().size()) << name;
        // Six random router rows cannot do much better; without a text two of seven would be 0.29 of the tokens.
        EXPECT_GT(grown.chosen_text, 0.3) << name;
        EXPECT_LT(grown.chosen_old, name == std::string("mixtral") ? 0.15 : 0.08) << name;
        // The shares are those that routing has.
        double share = 0;
        for (const ExpertUse& use : measure_use(*grown.model, old))
            if (grown.experts.contains(use.id)) share += use.share() / static_cast<double>(grown.experts.size());
        EXPECT_NEAR(share, grown.chosen_old, 1e-12) << name;
    }
}

TEST(Grow, WhatWasThereStaysAsItWas) {
    const auto model = tiny_model("dots1");
    const Grown grown = grow(model, text_of(10), text_of(100));
    const versions::NamedTensors before(*model), after(*grown.model);
    const auto bytes = [](TensorView x) { return std::string_view(reinterpret_cast<const char*>(x.data), x.bytes()); };
    for (const TensorSlot& slot : versions::single_slots(model->spec)) {
        const TensorView x = before(slot), y = after(slot);  // routers and corrections have become longer
        EXPECT_EQ(bytes(x), bytes(y).substr(0, static_cast<size_t>(x.bytes()))) << versions::name_of(slot);
    }
    // A copy of the expert that the text uses most.
    const auto uses = measure_use(*model, text_of(10));
    for (const ExpertId id : grown.experts) {
        const ExpertUse* most = nullptr;
        for (const ExpertUse& use : uses)
            if (use.id.layer == id.layer && (!most || use.gate() > most->gate())) most = &use;
        EXPECT_EQ(grown.model->experts->hash(id), model->experts->hash(most->id));
    }
}

TEST(Grow, RefusesWhatItCannotDo) {
    const auto model = tiny_model("dots1");
    EXPECT_THROW(grow(model, {}, text_of(100)), Error);
    EXPECT_THROW(grow(model, text_of(10), {}), Error);
    EXPECT_THROW(grow(model, text_of(10), text_of(100), 0), Error);
    EXPECT_THROW(grow(tiny_model("deepseek2"), text_of(10), text_of(100)), Error);  // groups
    EXPECT_THROW(grow(tiny_model("llama"), text_of(10), text_of(100)), Error);
}

}  // namespace
}  // namespace gremium::lab
