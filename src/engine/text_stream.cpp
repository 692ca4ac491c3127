#include "engine/text_stream.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/utf8.h"

namespace gremium::engine {
namespace {

void check(std::string_view stop) {
    if (stop.empty()) fail("a stop text is empty");
    for (std::string_view rest = stop; !rest.empty();) {
        const utf8::Start start = utf8::start(rest);
        if (start.kind != utf8::Start::character) fail("a stop text is not UTF-8: it can never be met");
        rest.remove_prefix(start.size);
    }
}

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops, const DecodeOptions& decode)
    : decoder_(tokenizer, decode), stops_(std::move(stops)) {
    for (const std::string& stop : stops_) check(stop);
    std::ranges::sort(stops_, std::greater(), &std::string::size);
}

std::string TextStream::push(int32_t token) { return add(decoder_.push(token)); }

std::string TextStream::finish() {
    std::string text = add(decoder_.flush());
    return text + std::exchange(held_, {});
}

std::string TextStream::add(std::string_view text) {
    if (!met_.empty()) return {};
    held_ += text;
    size_t first_end = std::string::npos;
    for (const std::string& stop : stops_) {
        const size_t at = held_.find(stop);
        if (at == std::string::npos || at + stop.size() >= first_end) continue;
        first_end = at + stop.size();
        met_ = stop;
    }
    const size_t certain = met_.empty() ? held_.size() - possible_stop() : first_end - met_.size();
    std::string out = held_.substr(0, certain);
    held_.erase(0, met_.empty() ? certain : held_.size());
    return out;
}

// The number of bytes at the end that may be the beginning of a stop text.
size_t TextStream::possible_stop() const {
    if (stops_.empty()) return 0;
    for (size_t n = std::min(held_.size(), stops_.front().size() - 1); n > 0; --n) {
        const std::string_view end = std::string_view(held_).substr(held_.size() - n);
        if (std::ranges::any_of(stops_, [&](const std::string& stop) { return stop.starts_with(end); })) return n;
    }
    return 0;
}

}  // namespace gremium::engine
