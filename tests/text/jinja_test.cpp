// What Jinja itself makes of the templates in jinja/cases.tsv (written by jinja/cases.py).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/source_directory.h"
#include "text/chat_template.h"

namespace gremium {
namespace {

using Json = nlohmann::ordered_json;

// The text, or null with the reason in `why`.
Json rendered(const std::string& source, const Json& variables, std::string& why) {
    try {
        return ChatTemplate(source).render(variables);
    } catch (const Error& error) {
        why = error.what();
        return nullptr;
    }
}

bool names_why(const std::string& why) {
    const auto says = [&](const char* part) { return why.find(part) != why.npos; };
    return says("line ") &&
           (says("support") || says("cannot be printed") || says("too large") || says("is no character"));
}

TEST(Jinja, RendersAsJinjaDoes) {
    std::ifstream file(test::source_directory() / "tests/text/jinja/cases.tsv");
    std::string line;
    ASSERT_TRUE(std::getline(file, line));
    const Json variables = Json::parse(line);
    int count = 0;
    while (std::getline(file, line)) {
        const size_t tab = line.find('\t');
        const std::string source = Json::parse(line.substr(0, tab));
        const Json expected = Json::parse(line.substr(tab + 1));
        std::string why;
        const Json ours = rendered(source, variables, why);
        EXPECT_EQ(ours, expected.is_boolean() ? Json() : expected) << source << "\n" << why;
        // What we refuse and Jinja does not is said with its place.
        EXPECT_TRUE(!expected.is_boolean() || names_why(why)) << source << ": " << why;
        ++count;
    }
    EXPECT_GT(count, 5000);
}

}  // namespace
}  // namespace gremium
