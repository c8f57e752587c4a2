import Glibc
import LianSystem

// This module is built with the programs too, for release as well, where there is no Testing.
#if canImport(Testing)
    import Testing

    /// What a test cannot run without. Where it is missing, the reason says how it is had; scripts/test prints all of
    /// them at its end.
    extension Trait where Self == ConditionTrait {
        package static var needsNATSServer: ConditionTrait {
            .enabled(if: NATSServer.executable != nil, "there is no nats-server: apt-get install nats-server")
        }

        package static var needsRegistry: ConditionTrait {
            .enabled(
                if: access("/usr/bin/docker-registry", X_OK) == 0,
                "there is no docker-registry: apt-get install docker-registry")
        }

        package static var needsPrometheus: ConditionTrait {
            .enabled(if: Prometheus.executable != nil, "there is no prometheus: apt-get install prometheus")
        }

        package static var needsChromium: ConditionTrait {
            .enabled(if: Browser.executable != nil, "there is no chromium: apt-get install chromium")
        }

        package static var needsRsync: ConditionTrait {
            .enabled(
                if: findExecutable("rsync", path: "/usr/bin:/bin") != nil, "there is no rsync: apt-get install rsync")
        }

        package static var needsNickel: ConditionTrait {
            .enabled(if: (try? Project.tool("nickel")) != nil, "there is no nickel: scripts/test installs it")
        }

        package static var needsPip: ConditionTrait {
            .enabled("there is no pip: apt-get install python3-pip") {
                let probe = Command(
                    "/usr/bin/env", ["python3", "-m", "pip", "--version"], environment: processEnvironment())
                return try await run(probe, deadline: .seconds(300)).termination.isSuccess
            }
        }

        package static var needsUV: ConditionTrait {
            .enabled(if: (try? Project.tool("uv")) != nil, "there is no uv: scripts/test installs it")
        }

        package static var needsRoot: ConditionTrait {
            .enabled(if: geteuid() == 0, "it needs root: sudo scripts/test")
        }

        package static var needsFileSystems: ConditionTrait {
            .enabled(
                if: geteuid() == 0 && access("/dev/loop-control", F_OK) == 0
                    && ["mkfs.btrfs", "mkfs.xfs"].allSatisfy { findExecutable($0, path: "/usr/sbin:/sbin") != nil },
                "it needs btrfs-progs, xfsprogs, loop devices and root: sudo scripts/test")
        }

        package static var needsDockerEngine: ConditionTrait {
            .enabled("it starts a Docker engine of its own, which needs docker.io and root: sudo scripts/test") {
                await DockerEngine.missing() == nil
            }
        }

        package static var needsBtrfs: ConditionTrait {
            .enabled(
                if: geteuid() == 0 && findExecutable("mkfs.btrfs", path: systemPrograms) != nil,
                "it mounts a btrfs, which needs btrfs-progs and root: sudo scripts/test")
        }

        package static var needsLXD: ConditionTrait {
            .enabled(
                if: geteuid() == 0 && access("/dev/loop-control", F_OK) == 0
                    && ["lxd", "lxc", "mkfs.btrfs", "dockerd", "unshare", "openssl"].allSatisfy {
                        findExecutable($0, path: systemPrograms) != nil
                    },
                "it makes a cluster of LXD, which needs lxd, btrfs-progs, docker.io, loop devices and root: sudo scripts/test"
            )
        }

        /// Pictures are drawn where they are asked for alone.
        package static var needsToBeWanted: ConditionTrait {
            .enabled(if: Project.pictures != nil, "no pictures are wanted: just pictures")
        }
    }
#endif
