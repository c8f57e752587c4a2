/// What all pages have in common, and behind it what one of them adds; without the comments, which a browser does not
/// need.
package func styleSheet(adding page: [UInt8]) -> String {
    [PackageResources.common_css, page].map { file in
        String(decoding: file, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("/*") }
            .joined(separator: "\n")
    }.joined(separator: "\n")
}
