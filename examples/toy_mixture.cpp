// A bare Mixture-of-Experts layer learns four tasks at once, and its experts divide them among themselves.
// Task j: inputs lie near centre c_j, the answer is A_j·x. Nobody tells the router which task a token belongs to.
#include <cstdio>

#include "base/random.h"
#include "moe/mixture.h"
#include "moe/store/stores.h"

using namespace gremium;
constexpr int tasks = 4, dim = 16, hidden = 8, per_task = 64, tokens = tasks * per_task, steps = 1000;

struct Parameter {
    Parameter(Shape s, Random& random, float scale)
        : w(DType::f32, s), g(DType::f32, s), m(DType::f32, s), v(DType::f32, s) {
        for (int64_t i = 0; i < s.count(); ++i) w.get().f32()[i] = scale * float(random.normal());
    }
    operator ops::Weight() const { return {w, g}; }
    OwnedTensor w, g, m, v;  // value, gradient, AdamW's moments
};

int main() {
    Random random(1);
    const Parameter centres({tasks, dim}, random, 1), answers({tasks, dim, dim}, random, 0.5f);
    std::vector<Parameter> p;  // the router, then gate, up and down of each of four experts
    p.emplace_back(Shape{tasks, dim}, random, 0.02f);
    std::vector<std::vector<moe::ExpertWeights>> layers(1);
    for (int e = 0; e < tasks; ++e) {
        for (Shape s : {Shape{hidden, dim}, {hidden, dim}, {dim, hidden}}) p.emplace_back(s, random, 0.3f);
        layers[0].push_back({p.end()[-3], p.end()[-2], p.end()[-1]});
    }
    const auto store = moe::make_expert_store(layers, moe::Residency::mapped);
    const OwnedTensor x(DType::f32, {tasks, per_task, dim}), wanted(DType::f32, {tasks, per_task, dim});
    Arena arena;
    for (int step = 1; step <= steps; ++step, arena.clear()) {
        for (int i = 0; i < tokens * dim; ++i)
            x.get().f32()[i] =
                centres.w.get().f32()[i / dim / per_task * dim + i % dim] + 0.3f * float(random.normal());
        for (int j = 0; j < tasks; ++j) kernels::matmul(wanted.get().at(j), x.get().at(j), answers.w.get().at(j));

        ops::Graph g(arena, {.record = true});
        const ops::Var input = g.input(reshape(x.get(), {tokens, dim}));
        const auto [y, routing] =
            moe::mixture(g, input, {.experts = tasks, .top_k = 1}, {.router_ED = p[0], .bias_E = {}}, *store, {});
        const float *made = y->value.f32(), *answer = wanted.get().f32();
        for (int i = 0; i < tokens * dim; ++i) g.grad_of(y).f32()[i] = (made[i] - answer[i]) / tokens;
        g.grad_of(routing.balance_loss).f32()[0] = 0.2f;  // its weight beside ½·Σ (y − answer)² / tokens
        g.backward();
        for (const Parameter& q : p) kernels::adamw(q.w, q.m, q.v, q.g, {}, {.lr = 0.01f});
        for (const Parameter& q : p) kernels::axpby(q.g, q.g, 0, 0);

        if (step != 1 && step != steps) continue;
        std::printf("step %d: the experts to which the tokens of each task go\n", step);
        for (int j = 0; j < tasks; ++j) {
            int load[tasks] = {};
            for (int t = 0; t < per_task; ++t) ++load[routing.ids_Tk[size_t(j * per_task + t)]];
            for (int& n : load) n = 100 * n / per_task;
            std::printf("  task %d: %3d %% %3d %% %3d %% %3d %%\n", j, load[0], load[1], load[2], load[3]);
        }
    }
}
