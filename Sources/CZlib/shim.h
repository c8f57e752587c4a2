#pragma once
#include <zlib.h>

// These are macros, which Swift cannot see. 16 more window bits mean the gzip format, fewer than none the bare one.
static inline int lian_inflate_gzip(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
static inline int lian_inflate_raw(z_stream *stream) { return inflateInit2(stream, -15); }
static inline int lian_deflate_gzip(z_stream *stream) {
    return deflateInit2(stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
}
