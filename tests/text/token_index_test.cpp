#include "text/token_index.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>

#include "base/random.h"

namespace gremium {
namespace {

TEST(TokenIndex, FindsWhatWasAddedAndNothingElse) {
    Random random(1);
    std::map<std::string, int32_t> truth;
    std::deque<std::string> texts;
    for (const size_t expected : {size_t{0}, size_t{5000}}) {
        TokenIndex index(expected);
        truth.clear();
        EXPECT_EQ(index.find(""), -1);
        for (int32_t id = 0; id < 3000; ++id) {
            std::string text;  // short ones come more than once
            for (uint64_t n = random.below(7); n > 0; --n) text += static_cast<char>('a' + random.below(4));
            index.add(texts.emplace_back(text), id);
            truth[text] = id;
        }
        for (int i = 0; i < 5000; ++i) {
            std::string text;
            for (uint64_t n = random.below(8); n > 0; --n) text += static_cast<char>('a' + random.below(4));
            const auto it = truth.find(text);
            ASSERT_EQ(index.find(text), it == truth.end() ? -1 : it->second) << text;
        }
    }
}

}  // namespace
}  // namespace gremium
