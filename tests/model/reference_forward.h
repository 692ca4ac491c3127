// The decoder written plainly in float64, one token after another, from the published formulas: RMSNorm,
// LayerNorm, rotary positions with YaRN, grouped-query and latent attention with windows, chunks, sinks and
// temperatures, selective state spaces, SwiGLU, mixtures with the routers there are. Latent keys and values are
// expanded for every head. Shares no code with what it checks.
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
        context_ = spec_.context;
        keys_.assign(spec_.layers.size(), {});
        values_.assign(spec_.layers.size(), {});
        inputs_.assign(spec_.layers.size(), {});
        states_.assign(spec_.layers.size(), {});
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

    // Rows [first, first + rows) of a matrix times x; biases where there are some (of stacks too: row by row).
    Vector product(const std::string& name, const Vector& x, size_t rows, size_t first = 0) const {
        const float* w = find(name) + first * x.size();
        const float* bias = find(name.substr(0, name.rfind('.')) + ".bias");
        Vector y(rows);
        for (size_t r = 0; r < rows; ++r) {
            for (size_t c = 0; c < x.size(); ++c) y[r] += double{w[r * x.size() + c]} * x[c];
            if (bias) y[r] += bias[first + r];
        }
        return y;
    }

    // Each stretch of `size` values by its own root mean square.
    Vector rms_norm(Vector x, const std::string& name, size_t size) const {
        for (size_t begin = 0; begin < x.size(); begin += size) {
            double squares = 0;
            for (size_t i = 0; i < size; ++i) squares += x[begin + i] * x[begin + i];
            const double factor = 1 / std::sqrt(squares / static_cast<double>(size) + double{spec_.norm.eps});
            for (size_t i = 0; i < size; ++i) x[begin + i] *= factor * (name.empty() ? 1 : at(name, i));
        }
        return x;
    }

    // A norm of the residual stream.
    Vector norm(Vector x, const std::string& name) const {
        if (spec_.norm.kind == NormKind::layer) {
            const double mean = std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
            double squares = 0;
            for (double& v : x) v -= mean, squares += v * v;
            const double factor = 1 / std::sqrt(squares / static_cast<double>(x.size()) + double{spec_.norm.eps});
            for (size_t i = 0; i < x.size(); ++i) x[i] *= factor * at(name + ".weight", i);
        } else {
            x = rms_norm(x, name + ".weight", x.size());
        }
        if (spec_.norm.bias)
            for (size_t i = 0; i < x.size(); ++i) x[i] += at(name + ".bias", i);
        return x;
    }

    // The part of a frequency that YaRN divides.
    static double yarn_share(const RopeSpec& rope, double i) {
        const double n = rope.dims;
        const auto dimension = [&](double turns) {
            return n * std::log(rope.original_context / (2 * M_PI * turns)) / (2 * std::log(double{rope.base}));
        };
        double low = dimension(rope.yarn.beta_fast), high = dimension(rope.yarn.beta_slow);
        if (rope.yarn.truncate) low = std::floor(low), high = std::ceil(high);
        low = std::max(low, 0.0), high = std::min(high, n - 1);
        return std::clamp((i - low) / std::max(high - low, 0.001), 0.0, 1.0);
    }

    void rotate(Vector& x, size_t head_dim, const RopeSpec& rope, double position) const {
        if (!rope.enabled) return;
        const auto n = static_cast<size_t>(rope.dims);
        const bool beyond = !rope.long_divisors.empty() && context_ > rope.original_context;
        const std::vector<float>& divisors = beyond ? rope.long_divisors : rope.divisors;
        for (size_t head = 0; head < x.size(); head += head_dim) {
            for (size_t i = 0; i < n / 2; ++i) {
                double angle = position / rope.linear_factor *
                               std::pow(double{rope.base}, -2.0 * static_cast<double>(i) / static_cast<double>(n));
                if (!divisors.empty()) angle /= divisors[i];
                if (rope.yarn.factor != 1) {
                    const double share = yarn_share(rope, static_cast<double>(i));
                    angle = angle / rope.yarn.factor * share + angle * (1 - share);
                }
                const bool interleaved = rope.pairing == kernels::RopePairing::interleaved;
                double& a = x[head + (interleaved ? 2 * i : i)];
                double& b = x[head + (interleaved ? 2 * i + 1 : i + n / 2)];
                const double rotated = a * std::cos(angle) - b * std::sin(angle);
                b = rope.magnitude * (a * std::sin(angle) + b * std::cos(angle));
                a = rope.magnitude * rotated;
            }
        }
    }

    // Queries, keys and values of a token, [heads or kv_heads, head_dim or value_dim].
    struct Projected {
        Vector q, k, v;
    };

    Projected project(const Vector& x, const AttentionSpec& a, const std::string& p, double position) const {
        const auto heads = static_cast<size_t>(a.heads), kv_heads = static_cast<size_t>(a.kv_heads);
        const auto d = static_cast<size_t>(a.head_dim), dv = static_cast<size_t>(a.value_dim);
        const size_t beside = a.gate.beside_queries ? dv : 0;
        const Vector rows = product(p + "attn_q.weight", x, heads * (d + beside));
        Vector q;
        for (size_t h = 0; h < heads; ++h)
            q.insert(q.end(), rows.begin() + static_cast<long>(h * (d + beside)),
                     rows.begin() + static_cast<long>(h * (d + beside) + d));
        Vector k = product(p + "attn_k.weight", x, kv_heads * d), v = product(p + "attn_v.weight", x, kv_heads * dv);
        const auto clip = double{a.clip};
        for (Vector* part : {&q, &k, &v})
            for (double& number : *part) number = clip > 0 ? std::clamp(number, -clip, clip) : number;
        if (a.qk_norm == QkNorm::per_head || a.qk_norm == QkNorm::full) {
            const bool per_head = a.qk_norm == QkNorm::per_head;
            q = rms_norm(q, p + "attn_q_norm.weight", per_head ? d : q.size());
            k = rms_norm(k, p + "attn_k_norm.weight", per_head ? d : k.size());
        }
        rotate(q, d, a.rope, position);
        rotate(k, d, a.rope, position);
        if (a.qk_norm == QkNorm::rotated) q = rms_norm(q, "", d), k = rms_norm(k, "", d);
        if (a.qk_norm == QkNorm::after_rotation)
            q = rms_norm(q, p + "attn_q_norm.weight", d), k = rms_norm(k, p + "attn_k_norm.weight", d);
        return {q, k, v};
    }

    // As the paper of DeepSeek-V2 defines it: every head's keys and values out of the latent.
    Projected project_latent(const Vector& x, const AttentionSpec& a, const std::string& p, double position) const {
        const auto heads = static_cast<size_t>(a.heads), rank = static_cast<size_t>(a.latent.rank);
        const auto d = static_cast<size_t>(a.head_dim), dv = static_cast<size_t>(a.value_dim);
        const auto turned = static_cast<size_t>(a.rope.dims), plain = d - turned;
        Vector from = x;
        if (a.latent.query_rank > 0) {
            from = product(p + "attn_q_a.weight", x, static_cast<size_t>(a.latent.query_rank));
            from = rms_norm(from, p + "attn_q_a_norm.weight", from.size());
        }
        const Vector q = product(p + (a.latent.query_rank > 0 ? "attn_q_b.weight" : "attn_q.weight"), from, heads * d);
        const Vector kv = product(p + "attn_kv_a_mqa.weight", x, rank + turned);
        const Vector latent =
            rms_norm({kv.begin(), kv.begin() + static_cast<long>(rank)}, p + "attn_kv_a_norm.weight", rank);
        Vector key(kv.begin() + static_cast<long>(rank), kv.end());
        rotate(key, turned, a.rope, position);
        Projected result{q, Vector(heads * d), Vector(heads * dv)};
        for (size_t h = 0; h < heads; ++h) {
            const auto first = q.begin() + static_cast<long>(h * d + plain);
            Vector query(first, first + static_cast<long>(turned));
            rotate(query, turned, a.rope, position);
            std::ranges::copy(query, result.q.begin() + static_cast<long>(h * d + plain));
            std::ranges::copy(key, result.k.begin() + static_cast<long>(h * d + plain));
            for (size_t c = 0; c < rank; ++c) {
                for (size_t i = 0; i < plain; ++i)
                    result.k[h * d + i] += at(p + "attn_k_b.weight", (h * rank + c) * plain + i) * latent[c];
                for (size_t i = 0; i < dv; ++i)
                    result.v[h * dv + i] += at(p + "attn_v_b.weight", (h * dv + i) * rank + c) * latent[c];
            }
        }
        return result;
    }

    // What multiplies each number of the heads' results.
    Vector output_gate(const Vector& x, const AttentionSpec& a, const std::string& p) const {
        const auto heads = static_cast<size_t>(a.heads), d = static_cast<size_t>(a.head_dim),
                   dv = static_cast<size_t>(a.value_dim);
        const size_t each = a.gate.per_head ? 1 : dv, stride = a.gate.beside_queries ? d + dv : each;
        const Vector rows = a.gate.beside_queries ? product(p + "attn_q.weight", x, heads * stride)
                                                  : product(p + "attn_gate.weight", x, heads * each);
        Vector gate;
        for (size_t h = 0; h < heads; ++h)
            for (size_t i = 0; i < dv; ++i) {
                const double raw = rows[h * stride + stride - each + i % each];
                gate.push_back(a.gate.kind == GateKind::sigmoid ? 1 / (1 + std::exp(-raw)) : std::log1p(std::exp(raw)));
            }
        return gate;
    }

    static bool sees(const AttentionSpec& a, int64_t query, int64_t key) {
        if (a.window > 0 && query - key >= a.window) return false;
        return a.chunk == 0 || query / a.chunk == key / a.chunk;
    }

    Vector attention(const Vector& x, size_t l, const std::string& p, double position) {
        const AttentionSpec& a = *spec_.layers[l].attention();
        const auto heads = static_cast<size_t>(a.heads), kv_heads = static_cast<size_t>(a.kv_heads);
        const auto d = static_cast<size_t>(a.head_dim), dv = static_cast<size_t>(a.value_dim);
        const bool is_latent = a.latent.rank > 0;
        Projected now = is_latent ? project_latent(x, a, p, position) : project(x, a, p, position);
        if (a.temperature > 0)
            for (double& v : now.q)
                v *= 1 + double{a.temperature} *
                             std::log(1 + std::floor((position + a.temperature_from) / a.temperature_stretch));
        keys_[l].push_back(now.k);
        values_[l].push_back(now.v);

        double scale = a.scale > 0 ? double{a.scale} : 1 / std::sqrt(static_cast<double>(d));
        scale *= std::pow(1 + a.rope.yarn.log_multiplier * std::log(double{a.rope.yarn.factor}), 2);
        Vector out(heads * dv);
        for (size_t h = 0; h < heads; ++h) {
            const size_t kv = h / (heads / kv_heads);
            Vector weight;
            for (size_t t = 0; t < keys_[l].size(); ++t) {
                double score = 0;
                for (size_t i = 0; i < d; ++i) score += now.q[h * d + i] * keys_[l][t][kv * d + i];
                const bool seen = sees(a, static_cast<int64_t>(position), static_cast<int64_t>(t));
                score *= scale;
                if (a.softcap > 0) score = a.softcap * std::tanh(score / a.softcap);
                weight.push_back(seen ? score : -INFINITY);
            }
            if (a.sinks) weight.push_back(at(p + "attn_sinks.weight", h));
            softmax(weight);
            for (size_t t = 0; t < keys_[l].size(); ++t)
                for (size_t i = 0; i < dv; ++i) out[h * dv + i] += weight[t] * values_[l][t][kv * dv + i];
        }
        if (a.gate.kind != GateKind::none) {
            const Vector gate = output_gate(x, a, p);
            for (size_t i = 0; i < out.size(); ++i) out[i] *= gate[i];
        }
        for (double& number : out) number *= double{a.value_scale};
        return product(p + "attn_output.weight", out, static_cast<size_t>(spec_.dim));
    }

    static Vector silu(Vector x) {
        for (double& v : x) v /= 1 + std::exp(-v);
        return x;
    }

    // A causal convolution, whose last tap is the present token's.
    Vector convolved(const Vector& now, size_t l, const std::string& name, size_t taps) {
        std::vector<Vector>& past = inputs_[l];
        past.push_back(now);
        const float* bias = find(name + ".bias");
        Vector x(now.size());
        for (size_t c = 0; c < now.size(); ++c) {
            x[c] = bias ? bias[c] : 0;
            for (size_t back = 0; back < std::min(taps, past.size()); ++back)
                x[c] += at(name + ".weight", c * taps + taps - 1 - back) * past[past.size() - 1 - back][c];
        }
        return x;
    }

    Vector short_conv(const Vector& u, size_t l, const std::string& p) {
        const auto dim = static_cast<size_t>(spec_.dim);
        const Vector in = product(p + "shortconv.in_proj.weight", u, 3 * dim);
        Vector x(dim);
        for (size_t i = 0; i < dim; ++i) x[i] = in[i] * in[2 * dim + i];
        x = convolved(x, l, p + "shortconv.conv",
                      static_cast<size_t>(std::get<ShortConvSpec>(spec_.layers[l].mixer).taps));
        for (size_t i = 0; i < dim; ++i) x[i] *= in[dim + i];
        return product(p + "shortconv.out_proj.weight", x, dim);
    }

    double rate(const std::string& p, size_t h, bool logarithm) const {
        return logarithm ? -std::exp(at(p + "ssm_a", h)) : at(p + "ssm_a", h);
    }

    // Yang et al.: Gated Delta Networks (2024), equation 10, a head at a time.
    Vector delta_net(const Vector& u, size_t l, const std::string& p) {
        const DeltaNetSpec& s = std::get<DeltaNetSpec>(spec_.layers[l].mixer);
        const auto H = static_cast<size_t>(s.heads), G = static_cast<size_t>(s.key_heads),
                   K = static_cast<size_t>(s.key_dim), V = static_cast<size_t>(s.value_dim);
        const Vector x = silu(convolved(product(p + "attn_qkv.weight", u, 2 * G * K + H * V), l, p + "ssm_conv1d",
                                        static_cast<size_t>(s.conv)));
        const Vector beta = product(p + "ssm_beta.weight", u, H), alpha = product(p + "ssm_alpha.weight", u, H),
                     z = product(p + "attn_gate.weight", u, H * V);
        Vector& state = states_[l];
        state.resize(H * K * V);
        Vector out;
        for (size_t h = 0; h < H; ++h) {
            const size_t g = s.tiled ? h % G : h * G / H;
            const auto unit = [&](size_t first) {
                const auto begin = x.begin() + static_cast<long>(first + g * K);
                Vector v(begin, begin + static_cast<long>(K));
                double squares = 0;
                for (const double e : v) squares += e * e;
                for (double& e : v) e /= std::sqrt(squares + double{spec_.norm.eps});
                return v;
            };
            const Vector q = unit(0), k = unit(G * K);
            const double decay =
                std::exp(rate(p, h, s.log_rates) * std::log1p(std::exp(alpha[h] + at(p + "ssm_dt.bias", h))));
            double* S = state.data() + h * K * V;
            Vector o(V);
            for (size_t j = 0; j < V; ++j) {
                double known = 0;
                for (size_t i = 0; i < K; ++i) known += (S[i * V + j] *= decay) * k[i];
                const double delta = (x[2 * G * K + h * V + j] - known) / (1 + std::exp(-beta[h]));
                for (size_t i = 0; i < K; ++i)
                    o[j] += (S[i * V + j] += k[i] * delta) * q[i] / std::sqrt(static_cast<double>(K));
            }
            o = rms_norm(o, p + "ssm_norm.weight", V);
            for (size_t j = 0; j < V; ++j) out.push_back(o[j] * z[h * V + j] / (1 + std::exp(-z[h * V + j])));
        }
        return product(p + "ssm_out.weight", out, static_cast<size_t>(spec_.dim));
    }

    // Dao, Gu: Transformers are SSMs (2024), the recurrence of section 2 a head at a time.
    Vector mamba2(const Vector& u, size_t l, const std::string& p) {
        const Mamba2Spec& s = std::get<Mamba2Spec>(spec_.layers[l].mixer);
        const auto H = static_cast<size_t>(s.heads), G = static_cast<size_t>(s.groups),
                   N = static_cast<size_t>(s.state), C = static_cast<size_t>(s.inner), P = C / H, mixed = C + 2 * G * N;
        const Vector in = product(p + "ssm_in.weight", u, C + mixed + H);
        const Vector x = silu(convolved({in.begin() + static_cast<long>(C), in.begin() + static_cast<long>(C + mixed)},
                                        l, p + "ssm_conv1d", static_cast<size_t>(s.conv)));
        Vector& state = states_[l];
        state.resize(H * P * N);
        Vector y(C);
        for (size_t h = 0; h < H; ++h) {
            const double step = std::log1p(std::exp(in[C + mixed + h] + at(p + "ssm_dt.bias", h)));
            const double decay = std::exp(step * rate(p, h, s.log_rates));
            const size_t g = h * G / H;
            for (size_t i = h * P; i < (h + 1) * P; ++i) {
                y[i] = at(p + "ssm_d", h) * x[i];
                for (size_t n = 0; n < N; ++n) {
                    double& cell = state[i * N + n];
                    cell = decay * cell + step * x[i] * x[C + g * N + n];
                    y[i] += cell * x[C + G * N + g * N + n];
                }
                y[i] *= in[i] / (1 + std::exp(-in[i]));
            }
        }
        y = rms_norm(y, "", C / G);
        for (size_t i = 0; i < C; ++i) y[i] *= at(p + "ssm_norm.weight", i);
        return product(p + "ssm_out.weight", y, static_cast<size_t>(spec_.dim));
    }

    Vector mixer(const Vector& x, size_t l, const std::string& p, double position) {
        const LayerSpec& layer = spec_.layers[l];
        if (layer.attention()) return attention(x, l, p, position);
        if (layer.ssm()) return state_space(x, l, p);
        if (std::holds_alternative<ShortConvSpec>(layer.mixer)) return short_conv(x, l, p);
        if (std::holds_alternative<Mamba2Spec>(layer.mixer)) return mamba2(x, l, p);
        return delta_net(x, l, p);
    }

    // One step of the recurrence of Gu, Dao: Mamba (2023), equation 2 with the discretisation of section 3.
    Vector state_space(const Vector& u, size_t l, const std::string& p) {
        const SsmSpec& s = *spec_.layers[l].ssm();
        const auto channels = static_cast<size_t>(s.inner), states = static_cast<size_t>(s.state),
                   taps = static_cast<size_t>(s.conv), rank = static_cast<size_t>(s.dt_rank);
        const Vector x_and_gate = product(p + "ssm_in.weight", u, 2 * channels);
        const Vector x =
            silu(convolved({x_and_gate.begin(), x_and_gate.begin() + static_cast<std::ptrdiff_t>(channels)}, l,
                           p + "ssm_conv1d", taps));

        const auto part = [&](const char* name, size_t first, size_t count) {
            Vector y = product(p + "ssm_x.weight", x, count, first);
            return s.inner_norms ? rms_norm(y, p + name, count) : y;
        };
        const Vector dt = part("ssm_dt_norm.weight", 0, rank), b = part("ssm_b_norm.weight", rank, states),
                     c = part("ssm_c_norm.weight", rank + states, states);
        const Vector step = product(p + "ssm_dt.weight", dt, channels);
        Vector& h = states_[l];
        h.resize(channels * states);
        Vector y(channels);
        for (size_t i = 0; i < channels; ++i) {
            const double delta = std::log1p(std::exp(step[i])), gate = x_and_gate[channels + i];
            y[i] = at(p + "ssm_d", i) * x[i];
            for (size_t n = 0; n < states; ++n) {
                const double rate = at(p + "ssm_a", i * states + n), a = s.log_rates ? -std::exp(rate) : rate;
                double& state = h[i * states + n];
                state = std::exp(delta * a) * state + delta * b[n] * x[i];
                y[i] += c[n] * state;
            }
            y[i] *= gate / (1 + std::exp(-gate));
        }
        return product(p + "ssm_out.weight", y, static_cast<size_t>(spec_.dim));
    }

    // down(silu(gate x) · up x), of the expert'th matrix of a stack; gpt-oss's form of it; or down(max(0, up x)²).
    Vector swiglu(const Vector& x, const std::string& p, const std::string& suffix, size_t hidden, size_t expert = 0,
                  const kernels::Activation& activation = {}) const {
        const size_t dim = x.size();
        const Vector u = product(p + "ffn_up" + suffix + ".weight", x, hidden, expert * hidden);
        Vector g(hidden);
        const bool squared = activation.kind == kernels::Activation::relu_squared;
        if (!squared) g = product(p + "ffn_gate" + suffix + ".weight", x, hidden, expert * hidden);
        for (size_t i = 0; i < hidden; ++i) {
            const double limit = activation.limit, gate = std::min(g[i], limit), up = std::clamp(u[i], -limit, limit);
            const double silu = g[i] / (1 + std::exp(-g[i]));
            switch (activation.kind) {
                case kernels::Activation::relu_squared:
                    g[i] = std::pow(std::max(u[i], 0.0), 2);
                    break;
                case kernels::Activation::clamped_swiglu:
                    g[i] = gate / (1 + std::exp(-activation.alpha * gate)) * (up + 1);
                    break;
                case kernels::Activation::capped_swiglu:
                    g[i] = std::min(silu, limit) * up;
                    break;
                case kernels::Activation::relu:
                    g[i] = std::max(g[i], 0.0) * u[i];
                    break;
                case kernels::Activation::gelu:
                    g[i] *= 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (g[i] + 0.044715 * g[i] * g[i] * g[i]))) * u[i];
                    break;
                default:
                    g[i] = silu * u[i];
            }
        }
        return product(p + "ffn_down" + suffix + ".weight", g, dim, expert * dim);
    }

    // SparseMixer: the chosen experts and their weights, one after the other.
    static std::vector<std::pair<size_t, double>> sparsemixer(const Vector& logits, size_t k, double epsilon) {
        std::vector<std::pair<size_t, double>> chosen;
        Vector left = logits;
        for (size_t j = 0; j < k; ++j) {
            const auto best = std::ranges::max_element(left);
            double sum = 0;
            for (const double s : left)
                if (s > -INFINITY && (*best - s) / std::max(std::abs(s), *best) <= 2 * epsilon)
                    sum += std::exp(s - *best);
            chosen.emplace_back(static_cast<size_t>(best - left.begin()), 1 / sum);
            *best = -INFINITY;
        }
        return chosen;
    }

    // Experts of groups that are not among the best get −∞.
    static void limit_groups(Vector& choice, const moe::RouterPolicy& r) {
        const auto groups = static_cast<size_t>(r.groups), size = choice.size() / groups;
        std::vector<std::pair<double, size_t>> ranked;
        for (size_t g = 0; g < groups; ++g) {
            Vector of(choice.begin() + static_cast<long>(g * size), choice.begin() + static_cast<long>((g + 1) * size));
            std::ranges::sort(of, std::greater());
            const bool two = r.group_score == moe::RouterPolicy::GroupScore::two_best;
            ranked.emplace_back(of[0] + (two ? of[1] : 0), g);
        }
        std::ranges::sort(ranked, std::greater());
        for (size_t g = static_cast<size_t>(r.groups_used); g < groups; ++g)
            for (size_t e = 0; e < size; ++e) choice[ranked[g].second * size + e] = -INFINITY;
    }

    std::vector<std::pair<size_t, double>> route(const Vector& x, const MoeSpec& m, const std::string& p) const {
        const auto experts = static_cast<size_t>(m.router.experts), k = static_cast<size_t>(m.router.top_k);
        Vector score = product(p + "ffn_gate_inp.weight", x, experts);
        if (m.router.score == Score::sparsemixer) return sparsemixer(score, k, double{m.router.sparse_epsilon});
        const bool sigmoid = m.router.score == Score::sigmoid;
        if (!sigmoid) softmax(score);
        for (double& s : score) s = sigmoid ? 1 / (1 + std::exp(-s)) : s;
        Vector choice = score;
        if (m.router.correction_bias)
            for (size_t e = 0; e < experts; ++e) choice[e] += at(p + "exp_probs_b.bias", e);
        if (m.router.groups > 1) limit_groups(choice, m.router);
        std::vector<size_t> order(experts);
        std::iota(order.begin(), order.end(), size_t{0});
        std::ranges::stable_sort(order, [&](size_t a, size_t b) { return choice[a] > choice[b]; });
        order.resize(k);
        double sum = 0;
        for (size_t e : order) sum += score[e];
        const bool normalise = m.router.normalise || m.router.score == Score::softmax_selected;
        std::vector<std::pair<size_t, double>> chosen;
        for (size_t e : order) chosen.emplace_back(e, m.router.scale * score[e] / (normalise ? sum : 1));
        return chosen;
    }

    // `stream`: the block's input.
    Vector mixture(const Vector& x, const Vector& stream, const MoeSpec& m, const std::string& p) const {
        const auto latent = static_cast<size_t>(m.latent);
        const Vector seen = latent > 0 ? product(p + "ffn_latent_down.weight", x, latent) : x;
        Vector y(seen.size());
        for (const auto& [e, weight] : route(m.routes_block_input ? stream : x, m, p)) {
            Vector in = seen;
            if (m.router.weight_on_input)
                for (double& v : in) v *= weight;
            add(y, swiglu(in, p, "_exps", static_cast<size_t>(m.hidden), e, m.activation),
                m.router.weight_on_input ? 1 : weight);
        }
        if (latent > 0) y = product(p + "ffn_latent_up.weight", y, x.size());
        if (m.shared_hidden > 0) {
            double gate = 1;
            if (m.shared_gate) gate = 1 / (1 + std::exp(-product(p + "ffn_gate_inp_shexp.weight", x, 1)[0]));
            add(y,
                swiglu(x, p, "_shexp", static_cast<size_t>(m.shared_hidden), 0,
                       m.shared_activation.value_or(m.activation)),
                gate);
        }
        for (double& v : y) v *= m.output_scale;
        return y;
    }

    Vector step(int32_t token, double position) {
        const auto dim = static_cast<size_t>(spec_.dim), vocab = static_cast<size_t>(spec_.vocab);
        Vector x(dim);
        for (size_t i = 0; i < dim; ++i)
            x[i] = spec_.embedding_scale * at("token_embd.weight", static_cast<size_t>(token) * dim + i);
        for (size_t l = 0; l < spec_.layers.size(); ++l) {
            const std::string p = fmt::format("blk.{}.", l);
            const LayerSpec& layer = spec_.layers[l];
            const Vector stream = x, mixed = layer.has_mixer() ? norm(x, p + "attn_norm") : x;
            if (layer.has_mixer()) {
                Vector seen = mixer(mixed, l, p, position);
                if (layer.post_norms) seen = norm(seen, p + "post_attention_norm");
                add(x, seen, spec_.residual_scale);
            }
            if (!layer.has_feed_forward()) continue;
            if (layer.branch) {
                const Vector wide = swiglu(norm(x, p + "ffn_norm"), p, "", static_cast<size_t>(layer.branch->hidden));
                add(x, wide, spec_.residual_scale);
            }
            const Vector normed = layer.parallel ? mixed
                                  : layer.branch ? norm(stream, p + "ffn_norm_exps")
                                                 : norm(x, p + "ffn_norm");
            const auto* dense = std::get_if<DenseSpec>(&spec_.layers[l].feed_forward);
            Vector fed = dense ? swiglu(normed, p, "", static_cast<size_t>(dense->hidden), 0, dense->activation)
                               : mixture(normed, stream, *spec_.layers[l].moe(), p);
            if (layer.post_norms) fed = norm(fed, p + "post_ffw_norm");
            add(x, fed, spec_.residual_scale);
        }
        x = norm(x, "output_norm");
        Vector logits = product(spec_.tied_head ? "token_embd.weight" : "output.weight", x, vocab);
        for (size_t i = 0; i < vocab; ++i) {
            logits[i] /= spec_.logit_divisor;
            if (spec_.tied_head && spec_.head_bias) logits[i] += at("output.bias", i);
            if (const double cap = spec_.logit_softcap; cap > 0) logits[i] = cap * std::tanh(logits[i] / cap);
        }
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
    int64_t context_ = 0;                                      // in use
    std::vector<std::vector<Vector>> keys_, values_, inputs_;  // of each layer, of each position
    std::vector<Vector> states_;                               // of each layer, [channels, states]
};

}  // namespace gremium::test
