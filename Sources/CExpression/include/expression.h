#pragma once
#include <stdbool.h>
#include <stddef.h>

// RE2 with functions that Swift can call. Several threads may use one expression at the same time.

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lian_expression lian_expression;

/// Returns NULL where there is not enough memory for the expression.
lian_expression *lian_expression_compile(const char *text, size_t length, long memory);
void lian_expression_free(lian_expression *expression);

/// What is wrong with the expression; NULL where nothing is. The text lives as long as the expression.
const char *lian_expression_error(const lian_expression *expression);
/// Whether the expression is well-formed but needs more than its memory.
bool lian_expression_is_too_large(const lian_expression *expression);
/// The number of instructions that the expression was compiled to.
int lian_expression_size(const lian_expression *expression);

/// Whether the expression matches anywhere in a text, which has to be UTF-8.
bool lian_expression_matches(const lian_expression *expression, const char *text, size_t length);

#ifdef __cplusplus
}
#endif
