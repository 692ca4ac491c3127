# cmake --install: the program, the library with its headers, find_package(gremium), and the default model.
include(CMakePackageConfigHelpers)

install(TARGETS gremium_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS gremium EXPORT gremium_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gremium
        FILES_MATCHING PATTERN "*.h" PATTERN "cli" EXCLUDE)
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/gremium/models)
install(EXPORT gremium_targets FILE gremium-targets.cmake NAMESPACE gremium:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gremium)

configure_package_config_file(cmake/gremium-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/gremium-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gremium)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/gremium-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gremium-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/gremium-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gremium)
