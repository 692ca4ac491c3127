# cmake --install: the program with its default model, both libraries with the headers of include/gremium, and what
# find_package(gremium) and pkg-config look for.
include(CMakePackageConfigHelpers)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/gremium)
install(TARGETS gremium_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/gremium/models)
if(NOT CMAKE_CROSSCOMPILING)  # the pages are what the program says of itself
  install(CODE "execute_process(COMMAND $<TARGET_FILE:gremium_cli> man -o ${CMAKE_CURRENT_BINARY_DIR}/man
                                COMMAND_ERROR_IS_FATAL ANY)")
  install(DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(DIRECTORY include/gremium DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS gremium EXPORT gremium-shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS gremium_static EXPORT gremium-static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(kind shared static)
  install(EXPORT gremium-${kind} NAMESPACE gremium:: DESTINATION ${package})
endforeach()

configure_package_config_file(cmake/gremium-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/gremium-config.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/gremium-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gremium-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/gremium-config-version.cmake
        DESTINATION ${package})
file(RELATIVE_PATH up /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)  # from the file to the prefix
configure_file(cmake/gremium.pc.in ${CMAKE_CURRENT_BINARY_DIR}/gremium.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gremium.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
