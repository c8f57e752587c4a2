import FoundationEssentials
import LianModel

/// The bytes of a Go []byte in JSON; empty where the text is not base64.
func base64Decoded(_ text: String) -> [UInt8] {
    Data(base64Encoded: text).map(Array.init) ?? []
}

/// A Go time in JSON as seconds since 1970; nil where the text is not such a time.
func secondsOfTime(_ text: String) -> Double? {
    UTCTime(rfc3339: text).map { Double($0.milliseconds) / 1000 }
}
