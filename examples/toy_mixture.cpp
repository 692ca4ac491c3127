// Trains a bare Mixture-of-Experts layer on four tasks at once; its experts divide the tasks among themselves.
// Task j: inputs lie near centre c_j, the target is A_j·x. The router is not told which task a token belongs to.
#include <cstdio>

#include <gremium/toolkit.hpp>

using namespace gremium::toolkit;
constexpr int tasks = 4, dim = 16, per_task = 64, tokens = tasks * per_task, steps = 1000;

void print_loads(int step, const MixtureOutput& out) {
    std::printf("step %d: share of each task's tokens that go to each expert\n", step);
    for (int j = 0; j < tasks; ++j) {
        int load[tasks] = {};
        for (int t = 0; t < per_task; ++t) ++load[out.ids_Tk[static_cast<size_t>(j * per_task + t)]];
        std::printf("  task %d:", j);
        for (const int n : load) std::printf(" %3d %%", 100 * n / per_task);
        std::puts("");
    }
}

int main() {
    Random random(1);
    const Tensor centres = Tensor::normal({tasks, dim}, random),
                 answers = Tensor::normal({tasks, dim, dim}, random, 0.5f);
    const Mixture mixture({.width = dim, .hidden = 8, .experts = tasks, .expert_scale = 0.3f}, random);
    AdamW optimiser({.learning_rate = 0.01f});
    const Tensor x({tasks, per_task, dim}), wanted({tasks, per_task, dim});
    Tape tape;
    for (int step = 1; step <= steps; ++step, tape.clear()) {
        for (int i = 0; i < tokens * dim; ++i) {
            const int task = i / dim / per_task;
            x.values()[i] = centres[task].values()[i % dim] + 0.3f * static_cast<float>(random.normal());
        }
        for (int j = 0; j < tasks; ++j) matmul(wanted[j], x[j], answers[j]);

        const MixtureOutput out = mixture(tape, tape.input(x.reshaped({tokens, dim})));
        const std::span<const float> made = out.y_TD.values();
        const std::span<float> gradient = tape.gradient(out.y_TD);
        for (int i = 0; i < tokens * dim; ++i) gradient[i] = (made[i] - wanted.values()[i]) / tokens;
        // The weight of the balance loss beside ½·Σ (y − target)² / tokens.
        tape.gradient(out.balance_loss)[0] = 0.2f;
        tape.backward();
        optimiser.update(mixture.parameters());
        if (step == 1 || step == steps) print_loads(step, out);
    }
}
