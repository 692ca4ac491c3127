# One place for compile options. Kernels pick their instruction set at run time (Highway), so no -march here.
add_library(gremium_options INTERFACE)
target_compile_features(gremium_options INTERFACE cxx_std_20)
target_compile_options(gremium_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                                 -fno-math-errno
                                                 -fopenmp-simd)  # "omp simd" of sums, which needs no runtime
if(CCACHE)  # which wants to see what a precompiled header brings
  target_compile_options(gremium_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
                                                   $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
endif()
if(GREMIUM_UNITY)  # names of one file are no shadows of another's
  target_compile_options(gremium_options INTERFACE -Wno-shadow)
endif()
if(GREMIUM_WERROR)
  target_compile_options(gremium_options INTERFACE -Werror)
endif()
if(GREMIUM_SANITIZE)
  target_compile_options(gremium_options INTERFACE -fsanitize=${GREMIUM_SANITIZE} -fno-sanitize-recover=all
                                                   -fno-omit-frame-pointer)
  target_compile_definitions(gremium_options INTERFACE _GLIBCXX_ASSERTIONS)
  # In sanitized code GCC warns of its own <regex>.
  target_compile_options(gremium_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(gremium_options INTERFACE -fsanitize=${GREMIUM_SANITIZE})
endif()

# gremium_rooms(): every room of src/rooms.txt is a static library gremium_ROOM of the .cpp files below its folder, without those
# of a room inside it ("lab/tune" is gremium_lab_tune). The global property GREMIUM_ROOMS lists all, GREMIUM_BELOW_ROOM a room
# and those that it stands on.
function(gremium_rooms)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS rooms.txt)
  file(STRINGS rooms.txt lines REGEX "^[^#]")
  gremium_precompile()
  set(rooms)
  foreach(line ${lines})
    string(REGEX REPLACE " *\\| *" ";" fields "${line}")
    list(GET fields 0 room)
    list(GET fields 1 includes)
    list(GET fields 2 libraries)
    separate_arguments(includes)
    separate_arguments(libraries)
    set(below)
    foreach(other ${includes})
      list(APPEND below ${below_${other}})
    endforeach()
    set(below_${room} ${below} ${room})
    list(REMOVE_DUPLICATES below_${room})
    set_property(GLOBAL PROPERTY GREMIUM_BELOW_${room} ${below_${room}})
    list(TRANSFORM includes PREPEND gremium_)
    list(TRANSFORM includes REPLACE / _)
    gremium_room(${room} DEPENDS ${includes} LIBS ${libraries})
    list(APPEND rooms ${room})
  endforeach()
  set_property(GLOBAL PROPERTY GREMIUM_ROOMS ${rooms})
endfunction()

# One precompiled header for all rooms but the kernels, which have their own: intrinsics, and no JSON.
function(gremium_precompile)
  add_library(gremium_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/empty.cpp)
  set_target_properties(gremium_pch PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(gremium_pch PRIVATE gremium_options fmt::fmt nlohmann_json::nlohmann_json)
  target_include_directories(gremium_pch PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_precompile_headers(gremium_pch PRIVATE <pch.h>)
endfunction()

function(gremium_room room)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBS" ${ARGN})
  string(REPLACE / _ target gremium_${room})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${room}/*.cpp)
  if(room STREQUAL lab)
    list(FILTER sources EXCLUDE REGEX /lab/tune/)
  endif()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${target} PRIVATE gremium_options PUBLIC fmt::fmt ${ARG_LIBS})
  if(room STREQUAL kernels)
    target_precompile_headers(${target} PRIVATE <kernels/pch.h>)
  else()
    target_precompile_headers(${target} REUSE_FROM gremium_pch)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ${GREMIUM_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  endif()
  foreach(library ${ARG_DEPENDS})
    target_link_libraries(${target} PUBLIC $<BUILD_INTERFACE:${library}>)
  endforeach()
endfunction()

# gremium_embed(ROOM files...): the files of src/ROOM as string_views in gremium::ROOM, which src/ROOM/assets.h declares.
function(gremium_embed room)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${room}_assets.cpp)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/${room}/ OUTPUT_VARIABLE files)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DHEADER=${room}/assets.h -DNAMESPACE=gremium::${room} "-DFILES=${files}"
            -P ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    VERBATIM)
  target_sources(gremium_${room} PRIVATE ${output})
endfunction()
