// The files of this folder, embedded at build time (gremium_embed in cmake/Gremium.cmake).
#pragma once

#include <string_view>

namespace gremium::web {

extern const std::string_view atlas_html, atlas_css, atlas_js, report_css;

}  // namespace gremium::web
