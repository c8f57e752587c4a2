import FoundationEssentials
import LianModel

/// The bytes of a Go []byte in JSON; none where it is no base64.
func base64Decoded(_ text: String) -> [UInt8] {
    Data(base64Encoded: text).map(Array.init) ?? []
}

/// Seconds since 1970 of a Go time in JSON; nil where it is no such time.
func secondsOfTime(_ text: String) -> Double? {
    UTCTime(rfc3339: text).map { Double($0.milliseconds) / 1000 }
}
