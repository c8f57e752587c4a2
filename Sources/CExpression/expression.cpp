#include "expression.h"

#include <new>
#include <re2/re2.h>

struct lian_expression {
    RE2 re2;
};

static RE2::Options options(long memory) {
    // RE2 prints nothing: the caller reports what is wrong with an expression.
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(memory);
    return options;
}

lian_expression *lian_expression_compile(const char *text, size_t length, long memory) {
    return new (std::nothrow) lian_expression{RE2({text, length}, options(memory))};
}

void lian_expression_free(lian_expression *expression) { delete expression; }

const char *lian_expression_error(const lian_expression *expression) {
    return expression->re2.ok() ? nullptr : expression->re2.error().c_str();
}

bool lian_expression_is_too_large(const lian_expression *expression) {
    return expression->re2.error_code() == RE2::ErrorPatternTooLarge;
}

int lian_expression_size(const lian_expression *expression) { return expression->re2.ProgramSize(); }

bool lian_expression_matches(const lian_expression *expression, const char *text, size_t length) {
    return expression->re2.Match({text, length}, 0, length, RE2::UNANCHORED, nullptr, 0);
}
