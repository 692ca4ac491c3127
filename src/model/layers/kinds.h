// The list of the kinds of layer. A new kind is a folder, its include here, and its entry in one of the two lists.
#pragma once

#include <utility>
#include <variant>

#include "model/layers/attention/attention.h"
#include "model/layers/delta_net/delta_net.h"
#include "model/layers/dense/dense.h"
#include "model/layers/mamba2/mamba2.h"
#include "model/layers/mixture/mixture.h"
#include "model/layers/no_feed_forward.h"
#include "model/layers/no_mixer.h"
#include "model/layers/short_conv/short_conv.h"
#include "model/layers/state_space/state_space.h"

namespace gremium {

using Mixer = std::variant<AttentionSpec, SsmSpec, ShortConvSpec, DeltaNetSpec, Mamba2Spec, NoMixer>;
using FeedForward = std::variant<DenseSpec, MoeSpec, NoFeedForward>;

template <typename Kinds>
struct WeightsOf;
template <typename... Spec>
struct WeightsOf<std::variant<Spec...>> {
    using type = std::variant<typename Spec::Weights...>;
};
using MixerWeights = WeightsOf<Mixer>::type;
using FeedForwardWeights = WeightsOf<FeedForward>::type;

// Calls visit(record, weights) with the record that `kind` holds and its weights, which `weights` must hold.
template <typename Kinds, typename Weights, typename Visit>
decltype(auto) visit_kind(const Kinds& kind, Weights& weights, Visit&& visit) {
    return std::visit(
        [&]<typename Spec>(const Spec& spec) -> decltype(auto) {
            return visit(spec, std::get<typename Spec::Weights>(weights));
        },
        kind);
}

}  // namespace gremium
