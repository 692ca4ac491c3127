// What stands in a repository's place of a large file until git-lfs has fetched it.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace gremium {

inline void refuse_git_lfs_pointer(std::string_view contents, const std::string& source) {
    if (contents.starts_with("version https://git-lfs.github.com/"))
        fail("{}: holds a git-lfs pointer instead of the file; 'git lfs pull' in its repository fetches it", source);
}

}  // namespace gremium
