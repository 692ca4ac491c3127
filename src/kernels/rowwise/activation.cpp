#include "kernels/rowwise/activation.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numbers>

#include "kernels/simd/rows.h"
#include "tensor/quantised/blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise/activation.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/simd/softplus-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

struct ValueSlope {
    VecF value, slope;
};

HWY_INLINE VecF constant(float value) { return hn::Set(F32(), value); }

// With σ = sigmoid(2a(x + bx³)) the tanh form is x·σ.
HWY_INLINE ValueSlope gelu(VecF x) {
    constexpr float a2 = 1.5957691216057308f, b = 0.044715f;  // 2·√(2/π)
    const VecF squared = hn::Mul(x, x);
    const VecF s = sigmoid(hn::Mul(hn::Mul(constant(a2), x), hn::MulAdd(squared, constant(b), constant(1))));
    const VecF inner = hn::MulAdd(squared, constant(3 * b * a2), constant(a2));
    return {hn::Mul(x, s), hn::MulAdd(hn::Mul(x, hn::NegMulAdd(s, s, s)), inner, s)};
}

// x·Φ(x), with erf from Abramowitz, Stegun 7.1.26 (error 1.5e-7).
HWY_INLINE ValueSlope gelu_erf(VecF x) {
    const VecF z = hn::Mul(hn::Abs(x), constant(0.70710678f)), e = exp(hn::Neg(hn::Mul(z, z)));
    const VecF t = hn::Div(constant(1), hn::MulAdd(z, constant(0.3275911f), constant(1)));
    VecF p = hn::MulAdd(t, constant(1.061405429f), constant(-1.453152027f));
    p = hn::MulAdd(t, p, constant(1.421413741f));
    p = hn::MulAdd(t, p, constant(-0.284496736f));
    p = hn::MulAdd(t, p, constant(0.254829592f));
    const VecF tail = hn::Mul(hn::Mul(hn::Mul(p, t), e), constant(0.5f));  // Φ(−|x|)
    const VecF phi = hn::IfThenElse(hn::Lt(x, constant(0)), tail, hn::Sub(constant(1), tail));
    return {hn::Mul(x, phi), hn::MulAdd(hn::Mul(x, e), constant(0.39894228f), phi)};
}

HWY_INLINE ValueSlope clamped_silu(VecF gate, const Activation& numbers) {
    const VecF limit = constant(numbers.limit), a = constant(numbers.alpha);
    const auto above = hn::Gt(gate, limit);
    const VecF x = hn::IfThenElse(above, limit, gate), s = sigmoid(hn::Mul(a, x)), value = hn::Mul(x, s);
    const VecF slope = hn::MulAdd(hn::Mul(a, value), hn::Sub(constant(1), s), s);
    return {value, hn::IfThenZeroElse(above, slope)};
}

// What the gate is multiplied with, and its slope.
template <Activation::Kind kind>
HWY_INLINE ValueSlope factor(VecF up, const Activation& numbers) {
    if constexpr (kind != Activation::clamped_swiglu && kind != Activation::capped_swiglu) return {up, constant(1)};
    const VecF limit = constant(numbers.limit), clamped = hn::Clamp(up, hn::Neg(limit), limit);
    const VecF slope = hn::IfThenElseZero(hn::Le(hn::Abs(up), limit), constant(1));
    return {kind == Activation::clamped_swiglu ? hn::Add(clamped, constant(1)) : clamped, slope};
}

template <Activation::Kind kind>
HWY_INLINE ValueSlope evaluate(VecF x, const Activation& numbers) {
    if constexpr (kind == Activation::silu) {
        const VecF s = sigmoid(x), value = hn::Mul(x, s);
        return {value, hn::MulAdd(value, hn::Sub(constant(1), s), s)};
    } else if constexpr (kind == Activation::clamped_swiglu) {
        return clamped_silu(x, numbers);
    } else if constexpr (kind == Activation::capped_swiglu) {
        const auto [value, slope] = evaluate<Activation::silu>(x, numbers);
        const VecF limit = constant(numbers.limit);
        return {hn::Min(value, limit), hn::IfThenElseZero(hn::Le(value, limit), slope)};
    } else if constexpr (kind == Activation::gelu) {
        return gelu(x);
    } else if constexpr (kind == Activation::gelu_erf) {
        return gelu_erf(x);
    } else if constexpr (kind == Activation::relu_squared) {
        // A comparison with what is no number is false: it stays.
        const VecF positive = hn::IfThenZeroElse(hn::Lt(x, constant(0)), x);
        return {hn::Mul(positive, positive), hn::Add(positive, positive)};
    } else if constexpr (kind == Activation::identity) {
        return {x, constant(1)};
    } else if constexpr (kind == Activation::sigmoid) {
        const VecF s = sigmoid(x);
        return {s, hn::NegMulAdd(s, s, s)};
    } else if constexpr (kind == Activation::softplus) {
        return {softplus(x), sigmoid(x)};
    } else {
        return {hn::Max(x, constant(0)), hn::IfThenElseZero(hn::Gt(x, constant(0)), constant(1))};
    }
}

// Vectors of f32 or bf16 elements.
HWY_INLINE VecF load(TensorView t, int64_t i, AllLanes) {
    return t.dtype == DType::bf16 ? load_floats<DType::bf16>(t.data + 2 * i) : load_floats<DType::f32>(t.data + 4 * i);
}
HWY_INLINE VecF load(TensorView t, int64_t i, FirstLanes lanes) {
    if (t.dtype == DType::f32) return lanes.load(t.f32() + i);
    std::byte tail[HWY_MAX_BYTES] = {};
    std::memcpy(tail, t.data + 2 * i, 2 * lanes.n);
    return load_floats<DType::bf16>(tail);
}
HWY_INLINE void store(VecF v, Tensor t, int64_t i, AllLanes lanes) {
    return t.dtype == DType::bf16 ? store_bf16(v, t.bf16() + i) : lanes.store(v, t.f32() + i);
}
HWY_INLINE void store(VecF v, Tensor t, int64_t i, FirstLanes lanes) {
    if (t.dtype == DType::f32) return lanes.store(v, t.f32() + i);
    uint16_t tail[HWY_MAX_BYTES / sizeof(uint16_t)];
    store_bf16(v, tail);
    std::memcpy(t.data + 2 * i, tail, 2 * lanes.n);
}

template <Activation::Kind kind>
void activate_kind(Tensor y, TensorView gate, TensorView up, const Activation& numbers) {
    for_vectors(y.count(), [&](int64_t i, auto lanes) HWY_ATTR {
        const VecF value = evaluate<kind>(load(gate, i, lanes), numbers).value;
        store(up ? hn::Mul(value, factor<kind>(load(up, i, lanes), numbers).value) : value, y, i, lanes);
    });
}

template <Activation::Kind kind>
void activate_backward_kind(Tensor dgate, Tensor dup, TensorView dy, TensorView gate, TensorView up,
                            const Activation& numbers) {
    for_vectors(dy.count(), [&](int64_t i, auto lanes) HWY_ATTR {
        const auto [value, slope] = evaluate<kind>(load(gate, i, lanes), numbers);
        const VecF grad = load(dy, i, lanes), inner = hn::Mul(grad, slope);
        if (!up) return store(inner, dgate, i, lanes);
        const auto [times, times_slope] = factor<kind>(load(up, i, lanes), numbers);
        store(hn::Mul(inner, times), dgate, i, lanes);
        store(hn::Mul(hn::Mul(grad, value), times_slope), dup, i, lanes);
    });
}

void activate_part(Tensor y, TensorView gate, TensorView up, const Activation& activation) {
    switch (activation.kind) {
        case Activation::silu:
            return activate_kind<Activation::silu>(y, gate, up, activation);
        case Activation::gelu:
            return activate_kind<Activation::gelu>(y, gate, up, activation);
        case Activation::gelu_erf:
            return activate_kind<Activation::gelu_erf>(y, gate, up, activation);
        case Activation::relu:
            return activate_kind<Activation::relu>(y, gate, up, activation);
        case Activation::clamped_swiglu:
            return activate_kind<Activation::clamped_swiglu>(y, gate, up, activation);
        case Activation::relu_squared:
            return activate_kind<Activation::relu_squared>(y, gate, up, activation);
        case Activation::sigmoid:
            return activate_kind<Activation::sigmoid>(y, gate, up, activation);
        case Activation::softplus:
            return activate_kind<Activation::softplus>(y, gate, up, activation);
        case Activation::identity:
            return activate_kind<Activation::identity>(y, gate, up, activation);
        case Activation::capped_swiglu:
            return activate_kind<Activation::capped_swiglu>(y, gate, up, activation);
    }
}

void activate_backward_part(Tensor dgate, Tensor dup, TensorView dy, TensorView gate, TensorView up,
                            const Activation& activation) {
    switch (activation.kind) {
        case Activation::silu:
            return activate_backward_kind<Activation::silu>(dgate, dup, dy, gate, up, activation);
        case Activation::gelu:
            return activate_backward_kind<Activation::gelu>(dgate, dup, dy, gate, up, activation);
        case Activation::gelu_erf:
            return activate_backward_kind<Activation::gelu_erf>(dgate, dup, dy, gate, up, activation);
        case Activation::relu:
            return activate_backward_kind<Activation::relu>(dgate, dup, dy, gate, up, activation);
        case Activation::clamped_swiglu:
            return activate_backward_kind<Activation::clamped_swiglu>(dgate, dup, dy, gate, up, activation);
        case Activation::relu_squared:
            return activate_backward_kind<Activation::relu_squared>(dgate, dup, dy, gate, up, activation);
        case Activation::sigmoid:
            return activate_backward_kind<Activation::sigmoid>(dgate, dup, dy, gate, up, activation);
        case Activation::softplus:
            return activate_backward_kind<Activation::softplus>(dgate, dup, dy, gate, up, activation);
        case Activation::identity:
            return activate_backward_kind<Activation::identity>(dgate, dup, dy, gate, up, activation);
        case Activation::capped_swiglu:
            return activate_backward_kind<Activation::capped_swiglu>(dgate, dup, dy, gate, up, activation);
    }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {
namespace reference {
namespace {

struct ValueSlope {
    float value, slope;
};

// The activation and its derivative at x.
ValueSlope evaluate(const Activation& a, float x) {
    switch (a.kind) {
        case Activation::silu: {
            const float s = 1 / (1 + std::exp(-x));
            return {x * s, s * (1 + x * (1 - s))};
        }
        case Activation::gelu: {
            constexpr float root = 0.7978845608028654f, b = 0.044715f;  // √(2/π)
            const float t = std::tanh(root * (x + b * x * x * x));
            return {0.5f * x * (1 + t), 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * root * (1 + 3 * b * x * x)};
        }
        case Activation::gelu_erf: {
            const float phi = 0.5f * std::erfc(-x / std::numbers::sqrt2_v<float>);
            return {x * phi, phi + x * std::exp(-0.5f * x * x) * 0.3989422804014327f};  // 1/√(2π)
        }
        case Activation::relu:
            return {x > 0 ? x : 0, x > 0 ? 1.f : 0.f};
        case Activation::clamped_swiglu: {
            const float g = x > a.limit ? a.limit : x, s = 1 / (1 + std::exp(-a.alpha * g));
            return {g * s, x > a.limit ? 0 : s * (1 + a.alpha * g * (1 - s))};
        }
        case Activation::relu_squared:
            return {x < 0 ? 0 : x * x, x < 0 ? 0 : 2 * x};
        case Activation::sigmoid: {
            const float s = 1 / (1 + std::exp(-x));
            return {s, s * (1 - s)};
        }
        case Activation::softplus:
            return {std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x))), 1 / (1 + std::exp(-x))};
        case Activation::identity:
            return {x, 1};
        case Activation::capped_swiglu: {
            const ValueSlope plain = evaluate(Activation::silu, x);
            return plain.value > a.limit ? ValueSlope{a.limit, 0} : plain;
        }
    }
    return {};
}

// What the gate is multiplied with, and its derivative.
ValueSlope factor(const Activation& a, float up) {
    if (a.kind != Activation::clamped_swiglu && a.kind != Activation::capped_swiglu) return {up, 1};
    const float offset = a.kind == Activation::clamped_swiglu ? 1 : 0;
    return {offset + std::clamp(up, -a.limit, a.limit), std::abs(up) <= a.limit ? 1.f : 0.f};
}

float load(TensorView t, int64_t i) { return t.dtype == DType::bf16 ? bf16_to_f32(t.bf16()[i]) : t.f32()[i]; }
void store(float v, Tensor t, int64_t i) {
    if (t.dtype == DType::bf16)
        t.bf16()[i] = f32_to_bf16(v);
    else
        t.f32()[i] = v;
}

void activate_part(Tensor y, TensorView gate, TensorView up, const Activation& activation) {
    for (int64_t i = 0; i < y.count(); ++i) {
        const float value = evaluate(activation, load(gate, i)).value;
        store(up ? value * factor(activation, load(up, i)).value : value, y, i);
    }
}

void activate_backward_part(Tensor dgate, Tensor dup, TensorView dy, TensorView gate, TensorView up,
                            const Activation& activation) {
    for (int64_t i = 0; i < dy.count(); ++i) {
        const auto [value, slope] = evaluate(activation, load(gate, i));
        const auto [times, times_slope] = up ? factor(activation, load(up, i)) : ValueSlope{1, 0};
        const float grad = load(dy, i);
        store(grad * slope * times, dgate, i);
        if (dup) store(grad * value * times_slope, dup, i);
    }
}

}  // namespace
}  // namespace reference

HWY_EXPORT(activate_part);
HWY_EXPORT(activate_backward_part);

namespace {

// Rows [begin, end), flat; of an empty tensor an empty one.
template <class T>
T part(T t, int64_t begin, int64_t end) {
    if (!t) return {};
    return {t.row(begin), t.dtype, {(end - begin) * t.cols()}};
}

}  // namespace

void activate(Tensor y, TensorView gate, TensorView up, const Activation& activation) {
    const auto run = GREMIUM_SELECT(activate_part);
    parallel_rows(gate.rows(), gate.cols(), [&](int64_t begin, int64_t end) {
        run(part(y, begin, end), part(gate, begin, end), part(up, begin, end), activation);
    });
}

void activate_backward(Tensor dgate, Tensor dup, TensorView dy, TensorView gate, TensorView up,
                       const Activation& activation) {
    const auto run = GREMIUM_SELECT(activate_backward_part);
    assert(static_cast<bool>(dup) == static_cast<bool>(up));
    parallel_rows(gate.rows(), gate.cols(), [&](int64_t begin, int64_t end) {
        run(part(dgate, begin, end), part(dup, begin, end), part(dy, begin, end), part(gate, begin, end),
            part(up, begin, end), activation);
    });
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
