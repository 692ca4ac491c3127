// Which files names and patterns mean.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace gremium::data {

// In the order of the patterns, each file once however often it is named. A name that exists is that file, whatever
// characters it has; otherwise *, ? and […] match within a folder, and ** as a whole part of the path goes through all
// folders below (links to folders and hidden ones apart). "-", standard input, stays as it is. Throws Error for a
// folder and for what matches no file.
std::vector<std::filesystem::path> files_of(std::span<const std::string> patterns);

}  // namespace gremium::data
