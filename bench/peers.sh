#!/usr/bin/env bash
# peers.sh PEER: one whole build job as one would script it without lian-build. All that lian-build is compared with
# stands here, each tuned as well as we know; whoever knows a faster way is asked to put it in.
#
# Every peer spawns a runner, brings the context there, runs the same buildctl as lian-build does (push, cache import,
# cache export), and deletes the runner. It says on stdout at what moment each of these was done. From the environment:
#
#   ORCHESTRATOR, TOKEN        the orchestrator's URL and token
#   KEY, PUBLIC_KEY            the SSH key's file, and its public half
#   CONTEXT, DOCKERFILE        the folder, and the Dockerfile in it
#   IGNORED                    folders at the top of it that are not to be sent, a word each
#   BUILD                      a name that no other job has
#   WORKSPACE, IMAGE, CACHE    names that no other tool has; a second build has those of the first one
#   CACHE_OPTIONS              of the export, as lian-build gives them
#   SCRATCH                    an empty folder
#   STOP                       "context": go straight on to the deletion once the context is there
#   KEPT                       a folder that the next build of the same peer finds as this one leaves it
#   BUILDER                    the orchestrator's answer with a runner that stays up between builds, or null
set -euo pipefail

stamp() { printf '%s %s\n' "$1" "$EPOCHREALTIME"; }

# --- the orchestrator ---

call() { curl -sS --fail-with-body -H "Authorization: Bearer $TOKEN" "$@"; }

body() {
  printf '{"workspace":"%s","build_id":"%s","attempt":1,"size":{"tier":"cx22","cpu":2,"memory_mb":4096},' \
    "$WORKSPACE" "$BUILD"
  printf '"time_budget_minutes":30,"lease_seconds":600,"ssh_public_key":"%s"}' "$PUBLIC_KEY"
}

# spawn READ: a runner that is ready; READ takes its facts out of the orchestrator's answer.
spawn() {
  local answer
  answer=$(call -H 'Content-Type: application/json' -H "Idempotency-Key: $BUILD-1" --data "$(body)" \
    "$ORCHESTRATOR/api/v1/runners")
  "$1" "$answer"
  stamp spawned
  while [ "$state" = pending ]; do "$1" "$(call "$ORCHESTRATOR/api/v1/runners/$runner?wait=30")"; done
  [ "$state" = ready ] || { echo "the runner is $state" >&2; exit 1; }
  know_host
}

know_host() { printf '[%s]:%s %s\n' "$host" "$port" "$host_key" >"$SCRATCH/known_hosts"; }

# The runner that was there before and stays.
find_builder() {
  read_by_bash "$BUILDER"
  runner=
  know_host
  ssh_on_path
  # What it built is there: it has no use for a cache elsewhere.
  CACHE=
  set_solve "$CONTEXT"
}

# As a plain script would read it.
read_by_jq() {
  { read -r runner; read -r state; read -r host; read -r port; read -r user; read -r host_key; read -r work
  } < <(jq -r '.data | .runner_id, .state, .host, .port, .user, .host_keys[0], .work_dir' <<<"$1")
}

# The same without the 30 ms of starting jq, and without any other process.
read_by_bash() {
  take '"runner_id":"([^"]*)' "$1" && runner=$found
  take '"state":"([^"]*)' "$1" && state=$found
  take '"host":"([^"]*)' "$1" && host=$found
  take '"port":([0-9]+)' "$1" && port=$found
  take '"user":"([^"]*)' "$1" && user=$found
  take '"work_dir":"([^"]*)' "$1" && work=$found
  take '"host_keys":\["([^"]*)' "$1" && host_key=$found
  [ -n "$state" ]
}

# take PATTERN ANSWER: what the pattern's brackets hold, into $found; a runner that is not ready yet lacks some.
take() {
  found=
  [[ $2 =~ $1 ]] && found=${BASH_REMATCH[1]//\\\//\/}
  true
}

runner=
delete() {
  [ -n "$runner" ] || return 0
  call -X DELETE "$ORCHESTRATOR/api/v1/runners/$runner" >/dev/null
  runner=
}
trap 'delete || true' EXIT

# --- SSH ---

# What everyone needs: the key, and the host key that the orchestrator told.
set_ssh() {
  ssh=(ssh -F none -T -p "$port" -l "$user" -i "$KEY" -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR
    -o UserKnownHostsFile="$SCRATCH/known_hosts" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes "$@")
}

# The fastest cipher with hardware at hand, the shortest key exchange, no method tried in vain.
tuned=(-c aes128-gcm@openssh.com -o KexAlgorithms=curve25519-sha256 -o PreferredAuthentications=publickey
  -o GSSAPIAuthentication=no -o Compression=no -o CanonicalizeHostname=no)
# One connection for all: the first command opens it, the next ones find it.
shared=(-o ControlMaster=auto -o ControlPath="$SCRATCH/master" -o ControlPersist=60)

end_master() { "${ssh[@]}" -O exit "$host" 2>/dev/null || true; }

# --- BuildKit ---

# set_solve CONTEXT
set_solve() {
  solve=(build --progress plain --frontend dockerfile.v0 --local "context=$1" --local "dockerfile=$1"
    --opt "filename=$DOCKERFILE" --output "type=image,name=$IMAGE,push=true")
  [ -z "$CACHE" ] || solve+=(
    --import-cache "type=registry,ref=$CACHE" --export-cache "type=registry,ref=$CACHE$CACHE_OPTIONS")
}

solve_there() {
  [ "${STOP-}" != context ] || return 0
  set_solve "$work/context"
  "${ssh[@]}" "$host" buildctl "${solve[@]}" >&2
  stamp built
}

excludes=()
set_excludes() {
  local name
  for name in ${IGNORED-}; do excludes+=("--exclude=$1$name"); done
}

# --- the peers ---

# A script as one writes it first: wait until SSH answers, rsync, buildctl, each over a connection of its own.
plain() {
  spawn read_by_jq
  set_ssh
  until "${ssh[@]}" "$host" true; do sleep 0.1; done
  set_excludes /
  rsync -a "${excludes[@]}" -e "${ssh[*]}" "$CONTEXT/" "$host:$work/context/"
  stamp context
  solve_there
}

# One connection, aes-gcm, no probe, whole files in place. The arguments are rsync's for compression.
one_connection() {
  spawn read_by_bash
  set_ssh "${tuned[@]}" "${shared[@]}"
  set_excludes /
  rsync -a -W --inplace "$@" "${excludes[@]}" -e "${ssh[*]}" "$CONTEXT/" "$host:$work/context/"
  stamp context
  solve_there
  end_master
}

# tar instead of rsync, and all of it in one command on the runner. The arguments are tar's for packing; `unpack` holds
# those for unpacking.
by_tar() {
  local after=true line
  spawn read_by_bash
  set_ssh "${tuned[@]}"
  set_excludes ./
  set_solve "$work/context"
  [ "${STOP-}" = context ] || after="buildctl ${solve[*]} >&2 && echo built"
  while read -r line; do stamp "$line"; done < <(
    tar -C "$CONTEXT" "${excludes[@]}" "$@" -cf - . |
      "${ssh[@]}" "$host" "mkdir $work/context && tar -C $work/context ${unpack-} -xf - && echo context && $after" ||
      echo failed)
}

# The cache mount `ccache`, which a registry cache does not hold, carried in and out by tar around the build. Its files
# come and go by small builds, since nothing else leads into the engine. Everything is one command on the runner: what
# was kept goes there with the context, and comes back on its standard output.
carried_cache() {
  local carry="$SCRATCH/carry" there
  spawn read_by_bash
  set_ssh "${tuned[@]}"
  mkdir "$carry"
  cp /bin/busybox "$carry"
  if [ -e "$KEPT/mount.tar" ]; then ln -s "$KEPT/mount.tar" "$carry"; else tar -cf "$carry/mount.tar" -T /dev/null; fi
  cat >"$carry/in.dockerfile" <<'END'
FROM scratch
COPY busybox /
RUN --mount=type=bind,source=mount.tar,target=/mount.tar --mount=type=cache,id=ccache,target=/mount \
  ["/busybox", "tar", "-xf", "/mount.tar", "-C", "/mount"]
END
  cat >"$carry/out.dockerfile" <<'END'
FROM scratch AS mount
COPY busybox /
RUN --mount=type=cache,id=ccache,target=/mount ["/busybox", "cp", "-a", "/mount", "/out"]
FROM scratch
COPY --from=mount /out /
END
  ln -s "$CONTEXT" "$SCRATCH/context"
  set_solve "$work/context"
  there="buildctl build --frontend dockerfile.v0 --local context=$work/carry --local dockerfile=$work/carry"
  tar -C "$SCRATCH" -chf - context carry | "${ssh[@]}" "$host" "tar -C $work -xf - &&
    $there --opt filename=in.dockerfile >&2 && buildctl ${solve[*]} >&2 &&
    $there --opt filename=out.dockerfile --output type=tar" >"$KEPT/new.tar"
  stamp built
  mv "$KEPT/new.tar" "$KEPT/mount.tar"
}

# buildctl here, the engine there: it asks for the files that the Dockerfile names, and sends those alone.
buildctl_ssh() {
  spawn read_by_bash
  ssh_on_path
  set_solve "$CONTEXT"
  buildctl_over_ssh
}

buildctl_over_ssh() {
  PATH="$SCRATCH/bin:$PATH" buildctl --addr "ssh://$user@$host:$port" "${solve[@]}" >&2
  stamp built
}

# The same by buildx, whose builder has to be made first, as on any fresh runner.
buildx_remote() {
  spawn read_by_bash
  ssh_on_path
  buildx_over_ssh "$SCRATCH/buildx" --cache-from "type=registry,ref=$CACHE" \
    --cache-to "type=registry,ref=$CACHE$CACHE_OPTIONS"
}

# buildx_over_ssh SETTINGS-FOLDER CACHE-OPTIONS…: a builder is made where the folder knows none.
buildx_over_ssh() {
  export PATH="$SCRATCH/bin:$PATH" BUILDX_CONFIG="$1"
  [ -d "$1" ] || docker buildx create --name bench --driver remote "ssh://$user@$host:$port" >&2
  docker buildx build --builder bench --progress plain --provenance=false --file "$CONTEXT/$DOCKERFILE" \
    --output "type=image,name=$IMAGE,push=true" "${@:2}" "$CONTEXT" >&2
  stamp built
}

# A builder that never left, as the limit: both ways to it, neither of which waits for a runner or a cache.
buildctl_to_builder() {
  find_builder
  buildctl_over_ssh
}

buildx_to_builder() {
  find_builder
  buildx_over_ssh "$KEPT/buildx"
}

# BuildKit's clients start `ssh` from PATH and take no options for it.
ssh_on_path() {
  set_ssh "${tuned[@]}"
  mkdir "$SCRATCH/bin"
  printf '#!/bin/sh\nexec /usr/bin/%s "$@"\n' "${ssh[*]}" >"$SCRATCH/bin/ssh"
  chmod 755 "$SCRATCH/bin/ssh"
}

# For the row of the connection alone: `ssh PORT USER [tuned]` prints the command, a word a line, to which the host and
# what is to be run there are added.
if [ "$1" = ssh ]; then
  port=$2 user=$3
  if [ "${4-}" = tuned ]; then set_ssh "${tuned[@]}"; else set_ssh; fi
  printf '%s\n' "${ssh[@]}"
  exit
fi

stamp start
case $1 in
  plain) plain ;;
  one-connection) one_connection ;;
  one-connection-zstd) one_connection -z --zc=zstd --zl=1 ;;
  tar) by_tar ;;
  tar-zstd) unpack='-I zstd' by_tar -I 'zstd -q -1 -T0' ;;
  buildctl-ssh) buildctl_ssh ;;
  buildx-remote) buildx_remote ;;
  carried-cache) carried_cache ;;
  builder-buildctl) buildctl_to_builder ;;
  builder-buildx) buildx_to_builder ;;
  *) echo "no peer is called '$1'" >&2; exit 2 ;;
esac
delete
stamp deleted
