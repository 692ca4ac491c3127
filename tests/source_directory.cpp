#include "tests/source_directory.h"

std::filesystem::path gremium::test::source_directory() { return GREMIUM_SOURCE_DIR; }
