/* What c99.c, which only a C compiler sees, gives to c_test.cpp. */
#ifndef GREMIUM_TESTS_C99_H
#define GREMIUM_TESTS_C99_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opens a model, continues a prompt with a profile, a hook and a trace, and closes everything, the engine first.
 * Returns the number of tokens made, or -1 with the error's text in `message`. */
int c99_generate(const char* model, const int32_t* prompt, size_t count, int32_t* tokens, size_t capacity,
                 char* message, size_t message_size);

#ifdef __cplusplus
}
#endif

#endif
