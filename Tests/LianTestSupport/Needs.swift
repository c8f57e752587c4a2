import Glibc

#if canImport(Testing)
    import Testing

    // This module is built with the programs too, for release as well, where there is no Testing.

    /// What a test cannot run without. Where it is missing, the reason says how it is had; scripts/test prints all of them at
    /// its end.
    extension Trait where Self == ConditionTrait {
        package static var needsNATSServer: ConditionTrait {
            .enabled(if: NATSServer.executable != nil, "there is no nats-server: apt-get install nats-server")
        }

        package static var needsChromium: ConditionTrait {
            .enabled(if: Browser.executable != nil, "there is no chromium: apt-get install chromium")
        }

        package static var needsRoot: ConditionTrait {
            .enabled(if: geteuid() == 0, "it mounts, or starts an engine, and needs root: sudo scripts/test")
        }

        /// Pictures are drawn where they are asked for alone.
        package static var needsToBeWanted: ConditionTrait {
            .enabled(if: Project.pictures != nil, "no pictures are wanted: just pictures")
        }
    }
#endif
