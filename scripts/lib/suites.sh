# shellcheck shell=bash
# Sourced by the scripts: what each suite of tests needs beside what building needs. Words are Debian's packages, but
# `nickel`, `uv`, `otlp` and `cloaca`, which setup.sh provides.

declare -A suite_needs=(
  [CloacinaPluginTests]="binutils libpq5 cloaca"
  [CloacinaTests]="binutils gcc python3-pip uv"
  [ClusterTests]="lxd lxd-client btrfs-progs openssh-server openssh-client rsync nats-server docker-registry docker.io busybox-static curl jq python3 nickel"
  [DocumentationTests]="openssh-server openssh-client rsync nats-server docker-registry docker.io busybox-static curl jq iproute2 nickel"
  [EndToEndTests]="binutils openssh-server openssh-client rsync nats-server docker-registry docker.io busybox-static curl jq chromium nickel"
  [FaultTests]="openssh-server openssh-client rsync nats-server docker-registry docker.io busybox-static libfaketime nickel"
  [FuzzTests]=nickel
  [LianBuildKitTests]=none
  [LianBuildTests]=nats-server
  [LianCLITests]=nickel
  [LianCloacinaTests]="python3-pip uv"
  [LianContextTests]=none
  [LianFlagsTests]="zsh fish groff-base"
  [LianHTTPTests]=none
  [LianIntegrateTests]="nats-server nickel"
  [LianModelTests]=none
  [LianNATSTests]=nats-server
  [LianOrchestratorClientTests]=none
  [LianOrchestratorTests]="openssh-server openssh-client docker-registry docker.io busybox-static btrfs-progs prometheus chromium"
  [LianRemoteTests]="rsync busybox-static"
  [LianReportTests]=chromium
  [LianSSHTests]="openssh-server openssh-client rsync"
  [LianSystemTests]=none
  [LianTraceTests]=otlp
  [LianVolumeTests]="btrfs-progs xfsprogs"
  [LintTests]=none
  [PeerTests]="rsync docker.io nickel"
  [SoakTests]="openssh-server openssh-client rsync nats-server docker-registry docker.io busybox-static"
)

# What `just check` runs beside FuzzTests: all of it passes without root, network and any program that building does not
# bring. A single test there that does need one says so, and is skipped where that is missing.
pure_suites=(LianBuildKitTests LianBuildTests LianCLITests LianContextTests LianHTTPTests LianModelTests LianSystemTests
  LianTraceTests LintTests)

# The same as one expression for `swift test --filter`.
pure_suites() { (IFS='|'; printf '^(%s)\\.' "${pure_suites[*]}"); }

# suites_of NAME: the suites of the tests that `swift test --filter NAME` runs, of those that are built.
suites_of() { swift test list --skip-build 2>/dev/null | grep -E -- "$1" | sed 's/\..*//' | sort -u; }

# setup_for SUITE…: what these need beside what building needs.
setup_for() {
  local suite word
  local packages=()
  for suite in "$@"; do
    for word in ${suite_needs[$suite]-}; do
      case $word in
        none) ;;
        nickel) provide_nickel ;;
        uv) provide_uv ;;
        otlp) provide_otlp ;;
        cloaca) provide_cloaca ;;
        *) packages+=("$word") ;;
      esac
    done
  done
  [ ${#packages[@]} = 0 ] || install_debian_packages "${packages[@]}"
}
