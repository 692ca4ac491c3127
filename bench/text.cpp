// How fast text becomes tokens, on one core: bench_text MODEL TEXT_FILE, where MODEL is a directory with tokenizer
// files.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/atomic_file.h"
#include "base/error.h"
#include "text/hf_tokenizer.h"
#include "text/tokenizer.h"

using namespace gremium;

// Of this thread on its core: what others do meanwhile does not count.
static double seconds_now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

static double seconds_of(const auto& work) {
    const double start = seconds_now();
    work();
    return seconds_now() - start;
}

int main(int argc, char** argv) try {
    if (argc != 3) fail("usage: bench_text DIRECTORY TEXT_FILE");
    const std::string text = read_text_file(argv[2]);
    std::unique_ptr<Tokenizer> tokenizer;
    const double opening = seconds_of([&] { tokenizer = make_tokenizer(read_hf_tokenizer(argv[1])); });
    const double megabytes = static_cast<double>(text.size()) / 1e6;

    std::vector<int32_t> ids;
    double whole = 1e9, pieces = 1e9, decoding = 1e9;
    for (int repeat = 0; repeat < 5; ++repeat) {
        whole = std::min(whole, seconds_of([&] { ids = tokenizer->encode(text); }));
        // As documents of a few paragraphs.
        pieces = std::min(pieces, seconds_of([&] {
                              for (size_t at = 0; at < text.size(); at += 2048)
                                  tokenizer->encode(text.substr(at, 2048));
                          }));
        decoding = std::min(decoding, seconds_of([&] { tokenizer->decode(ids); }));
    }
    fmt::print(
        "{}: {} tokens, opened in {:.2f} s; MB/s: {:.1f} whole, {:.1f} in documents of 2 KiB, {:.1f} "
        "decoding\n",
        argv[1], ids.size(), opening, megabytes / whole, megabytes / pieces, megabytes / decoding);
} catch (const std::exception& error) {
    fmt::print(stderr, "bench_text: {}\n", error.what());
    return 1;
}
