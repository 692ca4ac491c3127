// Where the repository is, for tests that read files of it.
#pragma once

#include <filesystem>

namespace gremium::test {

std::filesystem::path source_directory();

}  // namespace gremium::test
