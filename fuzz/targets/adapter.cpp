// An adapter: of our own form, or, with an adapter_config.json in front of a zero byte, in PEFT's.
#include "lab/edit/adapter.h"

#include "fuzz/target.h"
#include "lab/edit/peft.h"
#include "tests/model/tiny_model.h"
#include "versions/hash.h"

namespace gremium::fuzz {
namespace {

void touch(const std::vector<lab::Adapter::Part>& parts) {
    for (const lab::Adapter::Part& part : parts) {
        require(part.slot.expert >= 0 || part.slot.role == TensorRole::router);
        const Tensor b_Nr = part.change.b_Nr, a_Kr = part.change.a_Kr;
        require(b_Nr.cols() == a_Kr.cols() && b_Nr.cols() > 0);
        volatile float sink = 0;
        for (const Tensor& factor : {b_Nr, a_Kr})
            for (int64_t i = 0; i < factor.count(); ++i) sink = factor.f32()[i];
        (void)sink;
    }
}

// A file says the hash of the model that it is for; seeds have as many @ instead.
std::string for_model(std::string_view file, const std::string& hash) {
    std::string result(file);
    if (const size_t at = result.find(std::string(hash.size(), '@')); at != std::string::npos)
        result.replace(at, hash.size(), hash);
    return result;
}

}  // namespace

void run(std::span<const std::byte> input) {
    static const Folder folder;
    static const auto model = gremium::test::tiny_model("mixtral", {.layers = 2, .dim = 8, .vocab = 16});
    static const std::string hash = versions::model_hash(*model);
    const auto parts = parts_of(input, 2);
    if (!parts[0].starts_with('{')) {
        const auto path = folder.put("own.safetensors", for_model(text_of(input), hash));
        if (lab::is_adapter(path)) touch(lab::read_adapter(path, *model));
        return;
    }
    folder.put("adapter_config.json", parts[0]);
    folder.put("adapter_model.safetensors", parts[1]);
    touch(lab::read_peft(folder.path(), model->spec));
}

}  // namespace gremium::fuzz
