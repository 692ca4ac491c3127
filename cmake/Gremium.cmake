# One place for compile options. Kernels pick their instruction set at run time (Highway), so no -march here.
add_library(gremium_options INTERFACE)
target_compile_features(gremium_options INTERFACE cxx_std_20)
target_compile_options(gremium_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                                 -fno-math-errno)
if(GREMIUM_WERROR)
  target_compile_options(gremium_options INTERFACE -Werror)
endif()
if(GREMIUM_SANITIZE)
  target_compile_options(gremium_options INTERFACE -fsanitize=${GREMIUM_SANITIZE} -fno-sanitize-recover=all
                                                   -fno-omit-frame-pointer)
  # In sanitized code GCC warns of its own <regex>.
  target_compile_options(gremium_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(gremium_options INTERFACE -fsanitize=${GREMIUM_SANITIZE})
endif()

# gremium_room(NAME DEPENDS rooms... LIBS libraries...): every .cpp below src/NAME is one static library. The
# include directions of ARCHITECTURE.md follow from DEPENDS, and tests/architecture checks the includes themselves.
function(gremium_room name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  add_library(gremium_${name} STATIC ${sources})
  target_include_directories(gremium_${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  set_target_properties(gremium_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(gremium_${name} PRIVATE gremium_options PUBLIC fmt::fmt ${ARG_LIBS})
  foreach(room ${ARG_DEPENDS})
    target_link_libraries(gremium_${name} PUBLIC $<BUILD_INTERFACE:gremium_${room}>)
  endforeach()
  set_property(GLOBAL APPEND PROPERTY GREMIUM_ROOMS gremium_${name})
endfunction()

# gremium_embed(ROOM DIRECTORY files...): the files of src/ROOM/DIRECTORY as string_views in gremium::ROOM::DIRECTORY,
# which src/ROOM/DIRECTORY/DIRECTORY.h declares.
function(gremium_embed room directory)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${room}_${directory}.cpp)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/${room}/${directory}/ OUTPUT_VARIABLE files)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DHEADER=${room}/${directory}/${directory}.h
            -DNAMESPACE=gremium::${room}::${directory} "-DFILES=${files}" -P ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    VERBATIM)
  target_sources(gremium_${room} PRIVATE ${output})
endfunction()
