# shellcheck shell=sh
# The body of the runner's `buildctl`. BuildctlShim.swift writes the lines before it, which say which Docker it drives and
# give docker, version, host, engine, engine_log and engine_is_up their values. Several empty values stand in one line.
# shellcheck disable=SC1007,SC2154
set -u

refuse() {
  printf 'error: engine_unsupported: %s\n' "$1" >&2
  exit 64
}

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

client() { DOCKER_BUILDKIT=1 "$docker" "$@"; }

# The engine starts at the same time as the runner's sshd, so a build that comes early waits for it here.
wait_for_engine() {
  [ -e "$engine_is_up" ] && return
  tries=0
  until client version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 200 ]; then
      [ -e "$engine_log" ] && tail -n 5 "$engine_log" >&2
      fail "rpc error: code = Unavailable desc = the runner's $engine does not answer at $host"
    fi
    sleep 0.1
  done
  : > "$engine_is_up"
}

# Moves the first field of $csv into $field; a field in quotes may contain commas.
next_field() {
  case $csv in
    *'""'*) refuse "quotes within quotes ($csv)" ;;
    '"'*)
      csv=${csv#\"}
      field=${csv%%\"*}
      csv=${csv#*\"}
      csv=${csv#,}
      ;;
    *,*)
      field=${csv%%,*}
      csv=${csv#*,}
      ;;
    *)
      field=$csv
      csv=
      ;;
  esac
}

read_output() {
  [ -z "$output" ] || refuse "several outputs (--output)"
  output=$1 csv=$1 type= dest=
  while [ -n "$csv" ]; do
    next_field
    case $field in
      type=image | type=local | type=tar | type=docker) type=${field#type=} ;;
      dest=*) dest=${field#dest=} ;;
      oci-mediatypes=false) ;;
      name=*) names=${field#name=} ;;
      push=true) push=yes ;;
      push=false) push=no ;;
      push-by-digest=true) by_digest=yes ;;
      push-by-digest=false) by_digest=no ;;
      name-canonical=*) ;;
      registry.insecure=true) insecure=yes ;;
      registry.insecure=false) insecure=no ;;
      *) refuse "--output $field" ;;
    esac
  done
  case $type in
    '') fail "--output needs type=" ;;
    image) [ -z "$dest" ] || refuse "--output dest=$dest" ;;
    *) [ -n "$dest" ] || fail "--output type=$type needs dest=" ;;
  esac
}

read_cache_export() {
  csv=$1 ref= inline= ignore=no plain_http=no
  while [ -n "$csv" ]; do
    next_field
    case $field in
      type=registry | mode=min | image-manifest=* | oci-mediatypes=*) ;;
      type=inline) inline=yes ;;
      ref=*) ref=${field#ref=} ;;
      ignore-error=true) ignore=yes ;;
      ignore-error=false) ignore=no ;;
      registry.insecure=true) plain_http=yes ;;
      registry.insecure=false) plain_http=no ;;
      *) refuse "--export-cache $field" ;;
    esac
  done
  inline_cache=yes
  [ -z "$inline" ] || return
  [ -n "$ref" ] || fail "--export-cache type=registry needs ref="
  [ "$plain_http" = no ] || demand_loopback "$ref"
  exports="$exports$ignore $ref
"
}

read_cache_import() {
  csv=$1 ref= plain_http=no
  while [ -n "$csv" ]; do
    next_field
    case $field in
      type=registry) ;;
      ref=*) ref=${field#ref=} ;;
      registry.insecure=true) plain_http=yes ;;
      registry.insecure=false) plain_http=no ;;
      *) refuse "--import-cache $field" ;;
    esac
  done
  [ -n "$ref" ] || fail "--import-cache type=registry needs ref="
  [ "$plain_http" = no ] || demand_loopback "$ref"
}

check_secret() {
  csv=$1
  while [ -n "$csv" ]; do
    next_field
    case $field in
      id=* | src=* | source=* | type=file) ;;
      *) refuse "--secret ${field%%=*}" ;;
    esac
  done
}

demand_own_engine() {
  [ "$1" = "$host" ] || refuse "another engine than the runner's (--addr $1)"
}

# Docker uses plain HTTP only for registries on this machine, unless its daemon was told otherwise.
demand_loopback() {
  case $1 in
    127.*/* | localhost/* | localhost:*/*) ;;
    *) refuse "plain HTTP to ${1%%/*}" ;;
  esac
}

push_name() {
  printf 'pushing %s\n' "$1" >&2
  client push "$1" >"$scratch/push" 2>&1
  status=$?
  cat "$scratch/push" >&2
  [ "$status" = 0 ] || printf 'failed to push %s: %s\n' "$1" "$(tail -n 1 "$scratch/push")" >"$scratch/problem"
  return "$status"
}

build() {
  frontend= context= dockerfile_folder= file=Dockerfile target= platform= metadata=
  output= type= dest= names= push=no by_digest=no insecure=no inline_cache=no exports= network=host fetched=no
  # The flags still to be read come first in "$@"; flags for docker are appended behind them.
  left=$#
  while [ "$left" -gt 0 ]; do
    flag=$1
    shift
    left=$((left - 1))
    case $flag in
      --no-cache)
        set -- "$@" --no-cache
        continue
        ;;
      --*=*)
        value=${flag#*=}
        flag=${flag%%=*}
        ;;
      --* | -o)
        [ "$left" -gt 0 ] || fail "$flag needs a value"
        value=$1
        shift
        left=$((left - 1))
        ;;
      *) fail "unexpected argument: $flag" ;;
    esac
    case $flag in
      --frontend)
        frontend=$value
        [ "$value" = dockerfile.v0 ] || refuse "--frontend $value"
        ;;
      --local)
        case $value in
          context=*) context=${value#*=} ;;
          dockerfile=*) dockerfile_folder=${value#*=} ;;
          *) refuse "extra contexts (--local ${value%%=*})" ;;
        esac
        ;;
      --opt)
        case $value in
          filename=*) file=${value#*=} ;;
          context=*) context=${value#*=} fetched=yes ;;
          target=*) target=${value#*=} ;;
          platform=*,*) refuse "several platforms (${value#*=})" ;;
          platform=*) platform=${value#*=} ;;
          build-arg:*=*) set -- "$@" --build-arg "${value#build-arg:}" ;;
          label:*=*) set -- "$@" --label "${value#label:}" ;;
          no-cache= | no-cache) set -- "$@" --no-cache ;;
          no-cache=*) refuse "no-cache for single stages" ;;
          force-network-mode=host) ;;
          force-network-mode=none) network=none ;;
          image-resolve-mode=pull) set -- "$@" --pull ;;
          add-hosts=*)
            csv=${value#*=}
            while [ -n "$csv" ]; do
              next_field
              set -- "$@" --add-host "${field%%=*}:${field#*=}"
            done
            ;;
          attest:*) refuse "attestations (${value%%=*})" ;;
          context:*) refuse "extra contexts (${value%%=*})" ;;
          *) refuse "--opt ${value%%=*}" ;;
        esac
        ;;
      --allow) [ "$value" = network.host ] || refuse "--allow $value" ;;
      --output | -o) read_output "$value" ;;
      --export-cache) read_cache_export "$value" ;;
      --import-cache)
        read_cache_import "$value"
        set -- "$@" --cache-from "$ref"
        ;;
      --secret)
        check_secret "$value"
        set -- "$@" --secret "$value"
        ;;
      --ssh) set -- "$@" --ssh "$value" ;;
      --metadata-file) metadata=$value ;;
      --progress)
        case $value in
          plain | auto) ;;
          *) refuse "--progress $value" ;;
        esac
        ;;
      *) refuse "$flag" ;;
    esac
  done
  [ -n "$frontend" ] || refuse "a build without --frontend"
  [ -n "$context" ] || fail "--local context=DIR is missing"
  # When a flag is given twice, buildctl takes the last value, but some of Docker's clients take both.
  [ -z "$target" ] || set -- "$@" --target "$target"
  [ -z "$platform" ] || set -- "$@" --platform "$platform"

  IFS=,
  for name in $names; do
    [ "$insecure" = no ] || demand_loopback "$name"
    [ "$by_digest" = yes ] || set -- "$@" --tag "$name"
  done
  unset IFS
  [ "$inline_cache" = no ] || set -- "$@" --build-arg BUILDKIT_INLINE_CACHE=1

  dockerfile=${dockerfile_folder:-$context}/$file
  if [ "$fetched" = yes ]; then
    [ -z "$dockerfile_folder" ] || refuse "a Dockerfile that is not in the fetched context"
    dockerfile=$file
  fi

  # Of files alone no image is made.
  case $type in
    local | tar) set -- "$@" --output "$output" ;;
    *) set -- "$@" --iidfile "$scratch/image" ;;
  esac

  wait_for_engine
  client build --progress plain --network "$network" --file "$dockerfile" "$@" "$context" >&2 || {
    status=$?
    # Docker's client has many messages for a daemon that died, some of them misleading, so the daemon is asked again.
    client version >/dev/null 2>&1 ||
      fail "rpc error: code = Unavailable desc = the runner's $engine at $host is gone"
    return "$status"
  }
  image=
  [ ! -e "$scratch/image" ] || image=$(cat "$scratch/image")
  if [ "$type" = docker ]; then
    IFS=,
    # shellcheck disable=SC2086  # names, none of which holds a comma or a wildcard
    set -- ${names:-$image}
    unset IFS
    client save --output "$dest" "$@" >&2 || fail "failed to solve: docker did not save the image"
  fi

  digest= size=
  if [ "$push" = yes ]; then
    IFS=,
    for name in $names; do
      unset IFS
      if [ "$by_digest" = yes ]; then
        # Docker pushes nothing without a tag. This one says what the image is, so that it moves no other's.
        name=$name:sha256-${image#sha256:}
        client tag "$image" "$name" || return
      fi
      push_name "$name" || fail "failed to solve: $(cat "$scratch/problem")"
      pushed=$(sed -n 's/^.*: digest: \(sha256:[0-9a-f]*\) size: \([0-9]*\)$/\1 \2/p' "$scratch/push" | tail -n 1)
      [ -n "$digest" ] || digest=${pushed% *} size=${pushed#* }
    done
    unset IFS
    [ -n "$digest" ] || fail "failed to solve: the push told no digest"
  fi

  printf '%s' "$exports" | while read -r ignore ref; do
    # Only the loop may read standard input: it is the list of what is left to push.
    if [ -z "$image" ]; then
      printf 'the cache is part of an image, and none was made\n' >"$scratch/problem"
    elif client tag "$image" "$ref" 2>"$scratch/problem" && push_name "$ref"; then continue; fi </dev/null
    [ "$ignore" = yes ] || fail "failed to solve: error writing cache: $(cat "$scratch/problem")"
    printf 'warning: the cache was not written: %s\n' "$(cat "$scratch/problem")" >&2
  done || return 1

  [ -n "$metadata" ] || return 0
  [ -n "$image" ] || { printf '{}\n' >"$metadata"; return 0; }
  {
    printf '{"containerimage.config.digest":"%s"' "$image"
    if [ -n "$digest" ]; then
      printf ',"containerimage.descriptor":{"digest":"%s",' "$digest"
      printf '"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":%s}' "$size"
      printf ',"containerimage.digest":"%s"' "$digest"
    fi
    [ -z "$names" ] || printf ',"image.name":"%s"' "$names"
    printf '}\n'
  } >"$metadata"
}

# What is asked for before an engine's data is kept, and nothing else: a builder's cache is not the caller's to empty.
prune() {
  all= filter=
  while [ $# -gt 0 ]; do
    case $1 in
      --all) all=$1 ;;
      --filter=*) filter=${1#*=} ;;
      --filter)
        [ $# -gt 1 ] || fail "--filter needs a value"
        shift
        filter=$1
        ;;
      *) refuse "prune $1" ;;
    esac
    shift
  done
  [ "$all $filter" = "--all type==source.local" ] || refuse "prune of anything but --all --filter type==source.local"
  [ "$engine" = dockerd ] || refuse "prune of a daemon that others share"
  wait_for_engine
  client builder prune --force --all --filter type=source.local
}

workers() {
  wait_for_engine
  printf 'ID\tPLATFORMS\nlian-docker-shim\t%s\n' "$(client version --format '{{.Server.Os}}/{{.Server.Arch}}')"
}

while [ $# -gt 0 ]; do
  case $1 in
    --addr | --timeout)
      [ $# -gt 1 ] || fail "$1 needs a value"
      [ "$1" = --timeout ] || demand_own_engine "$2"
      shift
      ;;
    --addr=*) demand_own_engine "${1#*=}" ;;
    --timeout=*) ;;
    --version | -v)
      printf 'buildctl lian-docker-shim %s %s\n' "$version" "$engine"
      exit 0
      ;;
    -*) refuse "$1" ;;
    *) break ;;
  esac
  shift
done

case ${1-} in
  build)
    shift
    umask 077
    scratch=$(mktemp -d) || fail "no temporary folder can be made"
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    build "$@"
    ;;
  debug)
    [ "${2-}" = workers ] || refuse "debug ${2-}"
    workers
    ;;
  prune)
    shift
    prune "$@"
    ;;
  '') fail 'no command is given: buildctl build …' ;;
  *) refuse "buildctl $1" ;;
esac
