// The decoder written plainly in float64, one token after another, from the published formulas: RMSNorm,
// rotary positions, grouped-query attention, SwiGLU, mixtures with softmax or sigmoid routers. Shares no code
// with what it checks.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/model/tiny_model.h"

namespace gremium::test {

using Vector = std::vector<double>;

class ReferenceForward {
  public:
    ReferenceForward(const ModelSpec& spec, const Tensors& tensors) : spec_(spec), tensors_(tensors) {}

    // Log-probabilities after each token.
    std::vector<Vector> operator()(const std::vector<int32_t>& tokens) {
        keys_.assign(spec_.layers.size(), {});
        values_.assign(spec_.layers.size(), {});
        std::vector<Vector> rows;
        for (size_t t = 0; t < tokens.size(); ++t) rows.push_back(step(tokens[t], static_cast<double>(t)));
        return rows;
    }

  private:
    const float* find(const std::string& name) const {
        const auto tensor = tensors_.find(name);
        return tensor == tensors_.end() ? nullptr : tensor->second.get().f32();
    }
    double at(const std::string& name, size_t i) const { return find(name)[i]; }

    // Rows [first, first + rows) of a matrix times x; biases where there are some.
    Vector product(const std::string& name, const Vector& x, size_t rows, size_t first = 0) const {
        const float* w = find(name) + first * x.size();
        const float* bias = find(name.substr(0, name.rfind('.')) + ".bias");
        Vector y(rows);
        for (size_t r = 0; r < rows; ++r) {
            for (size_t c = 0; c < x.size(); ++c) y[r] += double{w[r * x.size() + c]} * x[c];
            if (bias) y[r] += bias[r];
        }
        return y;
    }

    // Each stretch of `size` values by its own root mean square.
    Vector rms_norm(Vector x, const std::string& name, size_t size) const {
        for (size_t begin = 0; begin < x.size(); begin += size) {
            double squares = 0;
            for (size_t i = 0; i < size; ++i) squares += x[begin + i] * x[begin + i];
            const double factor = 1 / std::sqrt(squares / static_cast<double>(size) + double{spec_.norm.eps});
            for (size_t i = 0; i < size; ++i) x[begin + i] *= factor * at(name, i);
        }
        return x;
    }

    static void rotate(Vector& x, size_t head_dim, const RopeSpec& rope, double position) {
        const auto n = static_cast<size_t>(rope.dims);
        for (size_t head = 0; head < x.size(); head += head_dim) {
            for (size_t i = 0; i < n / 2; ++i) {
                double angle =
                    position / rope.linear_factor *
                    std::pow(double{rope.base}, -2.0 * static_cast<double>(i) / static_cast<double>(n));
                if (!rope.divisors.empty()) angle /= rope.divisors[i];
                const bool interleaved = rope.pairing == kernels::RopePairing::interleaved;
                double& a = x[head + (interleaved ? 2 * i : i)];
                double& b = x[head + (interleaved ? 2 * i + 1 : i + n / 2)];
                const double rotated = a * std::cos(angle) - b * std::sin(angle);
                b = a * std::sin(angle) + b * std::cos(angle);
                a = rotated;
            }
        }
    }

    Vector attention(const Vector& x, size_t l, const std::string& p, double position) {
        const AttentionSpec& a = *spec_.layers[l].attention();
        const auto heads = static_cast<size_t>(a.heads), kv_heads = static_cast<size_t>(a.kv_heads);
        const auto d = static_cast<size_t>(a.head_dim), dv = static_cast<size_t>(a.value_dim);
        Vector q = product(p + "attn_q.weight", x, heads * d);
        Vector k = product(p + "attn_k.weight", x, kv_heads * d);
        if (a.qk_norm != QkNorm::none) {
            const bool per_head = a.qk_norm == QkNorm::per_head;
            q = rms_norm(q, p + "attn_q_norm.weight", per_head ? d : q.size());
            k = rms_norm(k, p + "attn_k_norm.weight", per_head ? d : k.size());
        }
        rotate(q, d, a.rope, position);
        rotate(k, d, a.rope, position);
        keys_[l].push_back(k);
        values_[l].push_back(product(p + "attn_v.weight", x, kv_heads * dv));

        Vector out(heads * dv);
        for (size_t h = 0; h < heads; ++h) {
            const size_t kv = h / (heads / kv_heads);
            Vector weight;
            for (const Vector& key : keys_[l]) {
                double score = 0;
                for (size_t i = 0; i < d; ++i) score += q[h * d + i] * key[kv * d + i];
                weight.push_back(score / std::sqrt(static_cast<double>(d)));
            }
            softmax(weight);
            for (size_t t = 0; t < weight.size(); ++t)
                for (size_t i = 0; i < dv; ++i) out[h * dv + i] += weight[t] * values_[l][t][kv * dv + i];
        }
        return product(p + "attn_output.weight", out, static_cast<size_t>(spec_.dim));
    }

    // down(silu(gate x) · up x), of the expert'th matrix of a stack.
    Vector swiglu(const Vector& x, const std::string& p, const std::string& suffix, size_t hidden,
                  size_t expert = 0) const {
        const auto dim = static_cast<size_t>(spec_.dim);
        Vector g = product(p + "ffn_gate" + suffix + ".weight", x, hidden, expert * hidden);
        const Vector u = product(p + "ffn_up" + suffix + ".weight", x, hidden, expert * hidden);
        for (size_t i = 0; i < hidden; ++i) g[i] = g[i] / (1 + std::exp(-g[i])) * u[i];
        return product(p + "ffn_down" + suffix + ".weight", g, dim, expert * dim);
    }

    Vector mixture(const Vector& x, const MoeSpec& m, const std::string& p) const {
        const auto experts = static_cast<size_t>(m.router.experts), k = static_cast<size_t>(m.router.top_k);
        Vector score = product(p + "ffn_gate_inp.weight", x, experts);
        const bool sigmoid = m.router.score == moe::RouterPolicy::Score::sigmoid;
        if (!sigmoid) softmax(score);
        for (double& s : score) s = sigmoid ? 1 / (1 + std::exp(-s)) : s;
        Vector choice = score;
        if (m.router.correction_bias)
            for (size_t e = 0; e < experts; ++e) choice[e] += at(p + "exp_probs_b.bias", e);
        std::vector<size_t> order(experts);
        std::iota(order.begin(), order.end(), size_t{0});
        std::ranges::stable_sort(order, [&](size_t a, size_t b) { return choice[a] > choice[b]; });
        order.resize(k);

        double sum = 0;
        for (size_t e : order) sum += score[e];
        Vector y(x.size());
        for (size_t e : order) {
            const double weight = m.router.scale * score[e] / (m.router.normalise ? sum : 1);
            add(y, swiglu(x, p, "_exps", static_cast<size_t>(m.hidden), e), weight);
        }
        if (m.shared_hidden > 0) {
            double gate = 1;
            if (m.shared_gate) gate = 1 / (1 + std::exp(-product(p + "ffn_gate_inp_shexp.weight", x, 1)[0]));
            add(y, swiglu(x, p, "_shexp", static_cast<size_t>(m.shared_hidden)), gate);
        }
        return y;
    }

    Vector step(int32_t token, double position) {
        const auto dim = static_cast<size_t>(spec_.dim), vocab = static_cast<size_t>(spec_.vocab);
        Vector x(dim);
        for (size_t i = 0; i < dim; ++i) x[i] = at("token_embd.weight", static_cast<size_t>(token) * dim + i);
        for (size_t l = 0; l < spec_.layers.size(); ++l) {
            const std::string p = fmt::format("blk.{}.", l);
            add(x, attention(rms_norm(x, p + "attn_norm.weight", dim), l, p, position), 1);
            const Vector normed = rms_norm(x, p + "ffn_norm.weight", dim);
            const auto* dense = std::get_if<DenseSpec>(&spec_.layers[l].feed_forward);
            add(x,
                dense ? swiglu(normed, p, "", static_cast<size_t>(dense->hidden))
                      : mixture(normed, *spec_.layers[l].moe(), p),
                1);
        }
        x = rms_norm(x, "output_norm.weight", dim);
        Vector logits = product(spec_.tied_head ? "token_embd.weight" : "output.weight", x, vocab);
        softmax(logits);
        for (double& p : logits) p = std::log(p);
        return logits;
    }

    static void add(Vector& y, const Vector& x, double factor) {
        for (size_t i = 0; i < y.size(); ++i) y[i] += factor * x[i];
    }

    static void softmax(Vector& x) {
        const double best = std::ranges::max(x);
        double sum = 0;
        for (double& v : x) sum += v = std::exp(v - best);
        for (double& v : x) v /= sum;
    }

    const ModelSpec& spec_;
    const Tensors& tensors_;
    std::vector<std::vector<Vector>> keys_, values_;  // of each layer, of each position
};

}  // namespace gremium::test
