#include <cstring>
#include <optional>

#include "ops/ops.h"

namespace gremium::ops {
namespace {

// Switches recording off while it lives.
class Unrecorded {
  public:
    explicit Unrecorded(bool& recording) : recording_(recording) { recording_ = false; }
    Unrecorded(const Unrecorded&) = delete;
    Unrecorded& operator=(const Unrecorded&) = delete;
    ~Unrecorded() { recording_ = true; }

  private:
    bool& recording_;
};

}  // namespace

std::vector<Var> checkpoint(Graph& g, Var x, std::function<std::vector<Var>(Graph&, Var)> body) {
    if (!g.recording()) return body(g, x);

    // The values of the first run occupy the arena where the outputs will be; so the outputs wait in the pool until the
    // arena is released.
    std::vector<std::optional<Scratch>> results;
    {
        const Unrecorded unrecorded(g.recording_);
        const Arena::Mark mark = g.arena().mark();
        const Graph::Depth depth = g.depth();
        for (const Var v : body(g, g.input(x->value))) {
            std::optional<Scratch>& result = results.emplace_back();
            if (!v) continue;
            result.emplace(g.scratch(v->value.dtype, v->value.shape));
            std::memcpy(result->get().data, v->value.data, static_cast<size_t>(v->value.bytes()));
        }
        g.forget(depth);
        g.arena().release(mark);
    }
    std::vector<Var> outputs;
    for (const std::optional<Scratch>& result : results) {
        outputs.push_back(result ? g.make(result->get().dtype, result->get().shape) : nullptr);
        if (result) {
            const Tensor value = outputs.back()->value;
            std::memcpy(value.data, result->get().data, static_cast<size_t>(value.bytes()));
        }
    }

    std::vector<Var> made;
    for (const Var v : outputs) {
        if (v) made.push_back(v);
    }
    g.record(std::move(made), [&g, x, outputs, body = std::move(body)] {
        const Arena::Mark mark = g.arena().mark();
        const Graph::Depth depth = g.depth();
        const std::vector<Var> again = body(g, x);
        for (size_t i = 0; i < again.size(); ++i) {
            if (outputs[i] && outputs[i]->grad) g.pass_grad(again[i], outputs[i]);
        }
        g.unwind(depth.tape);
        g.forget(depth);
        g.arena().release(mark);
    });
    return outputs;
}

}  // namespace gremium::ops
