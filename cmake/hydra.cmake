# Compiler flags and the two functions every folder uses: hydra_library and hydra_test.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(GTest REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
pkg_check_modules(PISTACHE REQUIRED IMPORTED_TARGET libpistache)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(GFSHARE REQUIRED IMPORTED_TARGET libgfshare)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
find_library(LMDB_LIBRARY lmdb REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
find_library(PUGIXML_LIBRARY pugixml REQUIRED)
find_library(RAPIDCHECK_LIBRARY rapidcheck REQUIRED)

add_library(hydra_flags INTERFACE)
target_compile_definitions(hydra_flags INTERFACE HYDRA_VERSION="${PROJECT_VERSION}")
target_include_directories(hydra_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(hydra_flags INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers
                                             -fno-omit-frame-pointer)
target_link_libraries(hydra_flags INTERFACE Threads::Threads fmt::fmt)
if(HYDRA_SANITIZE)
  target_compile_options(hydra_flags INTERFACE -fsanitize=${HYDRA_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(hydra_flags INTERFACE -fsanitize=${HYDRA_SANITIZE})
endif()
if(HYDRA_FUZZ)
  # What is fuzzed lies in the libraries; tests need not pay for being traced.
  target_compile_options(hydra_flags INTERFACE
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,STATIC_LIBRARY>:-fsanitize=fuzzer-no-link>)
endif()

# Sanitized code takes 2.7 times as long to compile with -O1 as without. So only the layers below are optimised there,
# which simulations spend their time in; the gateway and the tests are not.
function(hydra_compile_quickly name)
  if(HYDRA_SANITIZE)
    target_compile_options(${name} PRIVATE -O0)
  endif()
endfunction()

# hydra_library(NAME SOURCES a.cc ... DEPENDS other targets ...)
function(hydra_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC hydra_flags ${ARG_DEPENDS})
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  if(folder MATCHES "^gateway")
    hydra_compile_quickly(${name})
  endif()
endfunction()

# hydra_binary(NAME SOURCES a.cc ... DEPENDS ...)
function(hydra_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE hydra_flags ${ARG_DEPENDS})
endfunction()

# All that ctest runs; the programs themselves are not part of it.
add_custom_target(tests)

# hydra_test(NAME SOURCES a_test.cc ... DEPENDS ... [LABELS l...]): one GoogleTest executable, one ctest.
function(hydra_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE hydra_flags ${ARG_DEPENDS} GTest::gtest GTest::gmock
                                        GTest::gtest_main ${RAPIDCHECK_LIBRARY})
  hydra_compile_quickly(${name})
  add_dependencies(tests ${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS "unit;${ARG_LABELS}")
endfunction()

# hydra_fuzzer(NAME SOURCES x_fuzz.cc DEPENDS ...): a libFuzzer target and a short run of it as a test.
function(hydra_fuzzer name)
  if(NOT HYDRA_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE hydra_flags ${ARG_DEPENDS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(tests ${name})
  add_test(NAME ${name} COMMAND ${name} -max_total_time=5 -rss_limit_mb=1024 -print_final_stats=0)
  set_tests_properties(${name} PROPERTIES TIMEOUT 60 LABELS "fuzz")
endfunction()
