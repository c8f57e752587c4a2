#pragma once
#include <stdbool.h>
#include <stddef.h>

// RE2 as Swift can call it. An expression may be asked by several threads at a time.

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lian_expression lian_expression;

/// NULL where there is not the memory for it.
lian_expression *lian_expression_compile(const char *text, size_t length, long memory);
void lian_expression_free(lian_expression *expression);

/// What is wrong with it, NULL where nothing is: as long as the expression lives.
const char *lian_expression_error(const lian_expression *expression);
/// Whether it is well-formed, but takes more than its memory.
bool lian_expression_is_too_large(const lian_expression *expression);
/// The instructions that it was compiled to.
int lian_expression_size(const lian_expression *expression);

/// Whether it matches anywhere in a text, which has to be UTF-8.
bool lian_expression_matches(const lian_expression *expression, const char *text, size_t length);

#ifdef __cplusplus
}
#endif
