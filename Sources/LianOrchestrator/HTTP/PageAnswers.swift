extension OutgoingResponse {
    /// Only what this server sends may do anything on the page, and it is shown in nobody else's.
    private static let policy = [
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            + "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
    ]

    static func pageFile(_ file: PageFile) -> OutgoingResponse {
        OutgoingResponse(status: 200, contentType: file.contentType, body: file.bytes, headers: policy)
    }

    /// Without a body for who has the very same part already: one whose tag is among those that he names.
    static func pagePart(_ part: RenderedPart, known tags: String?) -> OutgoingResponse {
        let isKnown = tags?.contains(part.tag) == true
        return OutgoingResponse(
            status: isKnown ? 304 : 200, contentType: "text/html; charset=utf-8", body: isKnown ? [] : part.body,
            headers: policy.merging(["ETag": part.tag]) { $1 })
    }
}
