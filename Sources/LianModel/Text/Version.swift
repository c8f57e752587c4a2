/// The one place that knows the version.
package let lianBuildVersion = "0.1.0"
