# shellcheck shell=sh
# Turns a machine into a runner. BootScript.swift writes the lines before it, which set runner, callers_key, host_key,
# volume and restrictions, and define buildctl_body. It ends with one line in /run/lian/boot: "ready", "failed: " and
# why, or "volume ended: " or "volume slow: " and why the engine does not come up with what is on the volume. Where
# nobody can look into the machine, its sshd says the same to everyone who connects.
# shellcheck disable=SC2154
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
base=/var/lib/lian
run=/run/lian
engine_data=$base/engine
problem=
settings=
word=failed

tell() {
  printf '%s\n' "$1" >"$run/boot.new"
  mv "$run/boot.new" "$run/boot"
}

fail() {
  problem=$1
  exit 1
}

refuse_volume() {
  word="volume $1"
  fail "$2"
}

leave() {
  status=$?
  # What carried the host's key here is not for build steps to read.
  rm -f -- "$0" /var/lib/cloud/instances/*/user-data.txt* /var/lib/cloud/instances/*/obj.pkl
  [ "$status" = 0 ] && return
  word="$word: ${problem:-the boot script ended with status $status}"
  tell "$word"
  stop_services
  serve_ssh "$word" ""
}

wants() { command -v "$1" >/dev/null || missing="$missing $2"; }

install() {
  apt-get update -qq || return
  # The names of packages, each a word.
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}

has_buildkit() { command -v buildkitd >/dev/null && command -v buildctl >/dev/null; }

install_what_is_missing() {
  missing=
  wants sshd openssh-server
  wants rsync rsync
  has_buildkit || wants dockerd docker.io
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || fail "the image lacks$missing, and has no apt-get"
  tries=0
  # Right after a boot the network may not be there, and others may hold apt's lock.
  until install >"$run/apt.log" 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 5 ] || fail "apt-get cannot install$missing: $(tail -n 1 "$run/apt.log")"
    sleep 3
  done
}

# What the image's own system would have served, where there is one.
stop_services() {
  [ -d /run/systemd/system ] || return 0
  systemctl disable --now ssh.socket ssh.service docker.socket docker.service containerd.service >/dev/null 2>&1 || true
}

# What a cloud tells its machines, keys among it, is closed to build steps.
close_metadata() {
  ip route add prohibit 169.254.169.254 2>/dev/null || true
  # A route would not hold for an address of the link's own.
  ip -6 rule add to fe80::a9fe:a9fe prohibit 2>/dev/null || true
  ! ip route get 169.254.169.254 >/dev/null 2>&1 || fail "the cloud's metadata cannot be closed to build steps"
}

make_folders() {
  mkdir -p "$base/work" "$base/home" "$base/bin" "$base/tmp" "$base/mem" "$base/engine" "$base/engine-bin"
  mount -t tmpfs -o mode=0700,size=64m,nosuid,nodev,noexec tmpfs "$base/mem" ||
    fail "no folder in memory can be mounted for secrets"
}

# What is on a volume was written by builds: of what the engine opens by its path, nothing may be a link.
look_at_volume() {
  [ -n "$volume" ] || return 0
  engine_data=$base/volume/engine
  if [ "$volume" = cold ]; then
    chmod 700 "$base/volume"
    mkdir -m 700 "$engine_data" "$base/volume/contexts" || fail "the volume is not empty"
    return 0
  fi
  for folder in "$base/volume" "$engine_data" "$base/volume/contexts"; do
    if [ -L "$folder" ] || [ ! -d "$folder" ]; then refuse_volume ended "$folder is no folder"; fi
  done
  [ -z "$(find "$base/volume" -mindepth 1 -maxdepth 1 ! -name engine ! -name contexts)" ] ||
    refuse_volume ended "there is more than an engine's data and contexts on it"
  [ -z "$(find "$engine_data" -maxdepth 2 -type l)" ] || refuse_volume ended "there are links in the engine's data"
}

# Runs the engine, and notes how it ends.
start_engine() {
  # Expanded where it runs.
  # shellcheck disable=SC2016
  setsid sh -c 'run=$1; shift
    "$@" >"$run/engine.log" 2>&1 </dev/null &
    echo $! >"$run/engine.pid"
    wait $!
    echo $? >"$run/engine.end"' sh "$run" "$@" >/dev/null 2>&1 </dev/null &
}

# On data of a former engine, the proof is an engine that serves and can read it.
wait_for_engine() {
  [ "$volume" = warm ] || return 0
  tries=0
  until [ -S "${engine_address#unix://}" ] && timeout 10 "$@" >"$run/prune.log" 2>&1; do
    if [ -s "$run/engine.end" ]; then
      read -r status <"$run/engine.end"
      [ "$status" = 137 ] || refuse_volume ended "exit status $status: $(tail -n 1 "$run/engine.log")"
      refuse_volume slow "the engine was killed"
    fi
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || refuse_volume slow "it does not serve: $(tail -n 1 "$run/engine.log" "$run/prune.log")"
    sleep 0.1
  done
}

# Steps are killed before the engine that reports it where memory is full.
wrap_runc() {
  runc=$(command -v buildkit-runc || command -v runc) || fail "the image has no runc"
  # Expanded where it runs.
  # shellcheck disable=SC2016
  printf '#!/bin/sh\necho 500 >/proc/self/oom_score_adj\nexec %s "$@"\n' "$runc" >"$base/engine-bin/runc"
  chmod 700 "$base/engine-bin/runc"
}

start_buildkitd() {
  engine_address=unix://$run/buildkitd.sock
  cat >"$base/buildkitd.toml" <<END
root = "$engine_data"
insecure-entitlements = ["network.host"]
[grpc]
address = ["$engine_address"]
[worker.containerd]
enabled = false
[worker.oci]
enabled = true
binary = "$base/engine-bin/runc"
networkMode = "host"
END
  # Another layout would be of no use to the next engine.
  [ -z "$volume" ] || echo 'snapshotter = "overlayfs"' >>"$base/buildkitd.toml"
  start_engine buildkitd --config "$base/buildkitd.toml"
  wait_for_engine buildctl --addr "$engine_address" prune --all --filter type==source.local
  tries=0
  until [ -S "$run/buildkitd.sock" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "buildkitd does not come up: $(tail -n 1 "$run/engine.log")"
    sleep 0.1
  done
  engine_setting=BUILDKIT_HOST=$engine_address
  ready="ready $engine_address"
}

start_dockerd() {
  engine_address=unix://$run/docker.sock
  docker=$(command -v docker) || fail "the image has dockerd and no docker"
  version=$("$docker" --version)
  version=${version#Docker version }
  version=${version%%,*}
  [ "${version%%.*}" -lt 23 ] || "$docker" buildx version >/dev/null 2>&1 ||
    fail "docker $version cannot build without its buildx plugin: install it in the image"
  echo '{}' >"$base/dockerd.json"
  # On btrfs Docker would make a subvolume of each layer, and a copy of the volume would hold none of them.
  start_engine env "PATH=$base/engine-bin:$PATH" dockerd --config-file "$base/dockerd.json" \
    --data-root "$engine_data" ${volume:+--storage-driver overlay2} --exec-root "$run/docker" \
    --pidfile "$run/docker.pid" --host "$engine_address" --bridge=none --iptables=false --ip6tables=false \
    --ip-forward=false --ip-masq=false --userland-proxy=false --exec-opt native.cgroupdriver=cgroupfs --log-level warn
  wait_for_engine "$docker" --host "$engine_address" builder prune --force --all --filter type=source.local
  {
    printf '#!/bin/sh\nunset DOCKER_CONTEXT DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION\n'
    printf "export DOCKER_HOST='%s'\n" "$engine_address"
    printf "docker='%s'\nversion='%s'\nhost='%s'\nengine=dockerd\n" "$docker" "$version" "$engine_address"
    printf "engine_log='%s'\nengine_is_up='%s'\n" "$run/engine.log" "$run/engine.up"
    buildctl_body
  } >"$base/bin/buildctl"
  chmod 700 "$base/bin/buildctl"
  engine_setting=DOCKER_HOST=$engine_address
  ready=ready
}

# Where the machine is a container, its own cgroup counts what it uses.
find_cgroup() {
  cgroup_setting=
  if [ -r /sys/fs/cgroup/memory.events ]; then
    cgroup_setting='"LIAN_CGROUP=/sys/fs/cgroup"'
  elif [ -r /sys/fs/cgroup/memory/memory.failcnt ]; then
    cgroup_setting='"LIAN_CGROUP=/"'
  fi
}

# serve_ssh WORD KEYS: lets in who has one of the keys.
serve_ssh() {
  mkdir -p "$base" /run/sshd
  chmod 755 /run/sshd
  printf '%s\n' "$host_key" >"$base/host_key"
  printf '%s\n' "$2" >"$base/authorized_keys"
  {
    printf 'Port 22\nHostKey %s\nPidFile %s\nAuthorizedKeysFile %s\n' \
      "$base/host_key" "$run/sshd.pid" "$base/authorized_keys"
    # Of the word what can stand in a greeting, and needs no quoting.
    printf 'VersionAddendum lian-boot: %s\n' "$(printf %s "$1" | tr -cd 'A-Za-z0-9 ./:_,()=+-' | cut -c 1-150)"
    printf '%s\n' "$restrictions" "$settings"
  } >"$base/sshd_config"
  "$(command -v sshd)" -f "$base/sshd_config" -E "$run/sshd.log"
}

start_sshd() {
  find_cgroup
  settings=$(printf 'SetEnv "PATH=%s" "HOME=%s" "TMPDIR=%s" "LANG=C.UTF-8" "XDG_RUNTIME_DIR=%s" "LIAN_RUNNER=%s" "%s" %s' \
    "$base/bin:$PATH" "$base/home" "$base/tmp" "$base/mem" "$runner" "$engine_setting" "$cgroup_setting")
  serve_ssh "$ready" "$callers_key" || fail "sshd does not start: $(tail -n 1 "$run/sshd.log")"
  tries=0
  until [ -s "$run/sshd.pid" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "sshd does not listen: $(tail -n 1 "$run/sshd.log")"
    sleep 0.05
  done
}

mkdir -p "$run"
trap leave EXIT
install_what_is_missing
stop_services
close_metadata
make_folders
look_at_volume
wrap_runc
if has_buildkit; then start_buildkitd; else start_dockerd; fi
start_sshd
tell "$ready"
