# shellcheck shell=sh
# Several empty values stand in one line; FIFOs are opened more than once on purpose, to hold them open; `|| fail` and
# `|| continue` leave, so that what stands before may be a list; lian_wrapper and lian_nonce come from the line that
# starts this, and a supervisor's own shell expands the first.
# shellcheck disable=SC1007,SC2015,SC2016,SC2094,SC2154
# The remote side, as Wrapper.swift sends it; lines that are comments are left out on the way.
#
# Input, after the script: a nonce, a verb, and the verb's own fields. A line is read by the shell's `read -r`,
# which takes one byte at a time from a pipe and so never takes what belongs to rsync; a value is the count of
# its lines and the lines; a file's bytes are read by one dd of exactly that size.
#
# Output: standard output carries a line with the nonce and then raw bytes alone (the log, rsync's stream),
# standard error the records, each behind the nonce. What a build prints goes to its log and from there to
# standard output, so it can forge none.
#
# A run has three parties. The session is this channel's shell: it follows the log, beats, and passes on what
# the client says. The supervisor is a session of its own that waits for the command and outlives the channel.
# The command is a session of its own again, so that its group can be ended as a whole.
#   control  a FIFO that every session holds open for writing. At its end of file nobody is attached, and the
#            grace begins; "cancel" comes through it too.
#   ended    a FIFO that the supervisor alone holds open for writing. Its end of file is the end of the run,
#            also where the supervisor was killed: no polling, and nobody who waits for ever.

umask 077
disk=
newline='
'
say() { printf '%s %s\n' "$nonce" "$*" >&5; }
fail() { say "E $*"; exit 1; }
# A request that breaks off is never acted on.
line() { IFS= read -r line || exit 1; }
value() {
  line; count=$line
  line; value=$line
  while [ "$count" -gt 1 ]; do line; value=$value$newline$line; count=$((count - 1)); done
}

# Sets start to what tells this process from a later one of the same number.
start_of() {
  start=
  IFS= read -r start <"/proc/$1/stat" || return 1
  # The words after the program's name, which may hold anything.
  # shellcheck disable=SC2086
  set -- ${start##*) }
  start=${20}
}

# Sets found to a counter of a file whose lines are "name number".
counter() {
  found=-
  while read -r key number rest; do
    [ "$key" = "$1" ] && found=$number && break
  done <"$2"
}

# LIAN_CGROUP is a folder or a name below the hierarchies. Sets v2, or memory and cpu for v1.
find_cgroup() {
  v2= memory= cpu=
  [ -n "${LIAN_CGROUP-}" ] || return 0
  name=${LIAN_CGROUP#/sys/fs/cgroup/}
  for folder in "$LIAN_CGROUP" "/sys/fs/cgroup/$name"; do
    [ -r "$folder/memory.events" ] && v2=$folder && return 0
  done
  name=/${name#/}
  for short in "$name" "/${name#/*/}"; do
    [ -r "/sys/fs/cgroup/memory$short/memory.failcnt" ] && memory=/sys/fs/cgroup/memory$short
    for folder in "/sys/fs/cgroup/cpuacct$short" "/sys/fs/cgroup/cpu,cpuacct$short"; do
      [ -r "$folder/cpuacct.usage" ] && cpu=$folder
    done
    [ -n "$memory" ] && return 0
  done
  return 0
}

# What the kernel has counted: scope, kills, and for v1 how often the runner's own limit was hit.
kernel_counts() {
  if [ -n "$v2" ]; then
    counter oom_kill "$v2/memory.events"; counts="v2 $found -"
  elif [ -n "${LIAN_CGROUP-}" ]; then
    failures=-
    [ -n "$memory" ] && read -r failures <"$memory/memory.failcnt"
    counter oom_kill /proc/vmstat; counts="v1 $found $failures"
  else
    counter oom_kill /proc/vmstat; counts="machine $found -"
  fi
}

# A line of uptime in seconds, CPU used so far in microseconds, bytes of memory in use; for a sample also what is free
# on the disk, and of how much.
usage() {
  read -r uptime rest </proc/uptime
  if [ -n "$v2" ]; then
    counter usage_usec "$v2/cpu.stat"; used=$found
    read -r bytes <"$v2/memory.current"
    counter inactive_file "$v2/memory.stat"; cached=$found
  elif [ -n "$memory" ] && [ -n "$cpu" ]; then
    read -r used <"$cpu/cpuacct.usage"; used=$((used / 1000))
    read -r bytes <"$memory/memory.usage_in_bytes"
    counter total_inactive_file "$memory/memory.stat"; cached=$found
  elif [ -z "${LIAN_CGROUP-}" ]; then
    # shellcheck disable=SC2034  # what stands between is read to be passed over
    read -r key user nice system idle waiting irq softirq rest </proc/stat
    used=$(((user + nice + system + irq + softirq) * 10000)) cached=0
    while read -r key number rest; do
      case $key in MemTotal:) bytes=$number ;; MemAvailable:) bytes=$(((bytes - number) * 1024)); break ;; esac
    done </proc/meminfo
  else
    return 1
  fi
  room=
  [ -z "$disk" ] || room=$(stat -f -c ' %a %b' "$disk")
  printf '%s\n' "$uptime $used $((bytes - ${cached#-}))$room"
}

# Makes a folder of ours in memory, behind a link that is there first: drop_secrets finds the folder by it.
make_store() {
  # The runner's own folder comes first: it goes with the runner, also where nobody is left to clear it away.
  for base in "${XDG_RUNTIME_DIR-}" /dev/shm "/run/user/$(id -u)" "$PWD"; do
    [ -d "$base" ] && [ -w "$base" ] || continue
    case $(stat -f -c %T "$base") in tmpfs | ramfs) ;; *) continue ;; esac
    store=$(mktemp -u "$base/lian-XXXXXXXXXXXX") || continue
    ln -s "$store" secrets || fail folder
    mkdir -m 700 "$store" && return 0
    rm -f secrets
  done
  return 1
}
drop_secrets() {
  [ -h secrets ] || return 0
  rm -rf -- "$(readlink secrets)"
  rm -f secrets
}
read_secrets() {
  line; files=$line
  [ "$files" -gt 0 ] || return 0
  make_store || fail no_secret_store
  while [ "$files" -gt 0 ]; do
    line; file=$line
    line; size=$line
    case $file in '' | .* | *[!A-Za-z0-9._-]*) fail request "the secret's file name" ;; esac
    : >"secrets/$file"
    [ "$size" -eq 0 ] || dd "bs=$size" count=1 iflag=fullblock "of=secrets/$file"
    files=$((files - 1))
  done
}

# Makes the sockets at which the client's SSH agents answer. What serves them ends with this session's group.
start_relay() {
  command -v perl >/dev/null || fail perl_missing
  perl secrets/relay.pl serve secrets "$agents" </dev/null >/dev/null 5>&- || fail relay
}

# Ends the command: its whole group, politely and then not.
end_command() {
  # Once begun, this is finished, also where a client comes back meanwhile.
  trap '' TERM
  printf '%s\n' "$1" >reason
  # In its first moment the command has no group of its own yet.
  kill -TERM "-$command" || kill -TERM "$command"
  tries=0
  while [ $tries -lt 50 ] && kill -0 "$command"; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL "-$command" || kill -KILL "$command"
}
# Waits for clients to come and go.
watch_clients() {
  while :; do
    { sleep "$grace"; end_command detached; } &
    timer=$!
    exec 6<control
    kill "$timer"
    while read -r word <&6; do [ "$word" != cancel ] || end_command cancelled; done
    exec 6<&-
  done
}
supervise() {
  trap '' HUP
  nonce=$lian_nonce
  unset lian_wrapper lian_role lian_nonce
  trap drop_secrets EXIT
  line; grace=$line
  value; set -- "$value"
  line; left=$line
  while [ "$left" -gt 0 ]; do value; set -- "$@" "$value"; left=$((left - 1)); done
  line; left=$line
  # shellcheck disable=SC2163  # what is exported is NAME=VALUE
  while [ "$left" -gt 0 ]; do value; export "$value"; left=$((left - 1)); done
  read_secrets
  line; agents=$line
  line; [ "$line" = end ] || fail request "its end"
  command -v "$1" >/dev/null || fail missing
  mkfifo control ended || fail folder
  [ "$agents" -eq 0 ] || start_relay
  : >log
  exec 7<>ended 8>ended 7>&-
  printf '%s\n' "$nonce" >nonce
  find_cgroup; kernel_counts; before=$counts
  # In a shell of its own, so that no variable of ours takes the place of one of the command's.
  begun=$(trap - EXIT; usage) || begun='- - -'
  exec </dev/null >/dev/null 5>&-
  (trap - HUP EXIT; exec setsid "$@") >>log 2>&1 8>&- &
  command=$!
  printf '%s\n' "$command $$" >pids
  (trap - EXIT; watch_clients) 8>&- &
  wait "$command"
  status=$?
  ended=$(usage) || ended='- - -'
  kill -KILL "-$command"
  kernel_counts
  drop_secrets
  reason=ended
  [ ! -e reason ] || read -r reason <reason
  printf '%s\n' "$status $reason $(wc -c <log) $before $counts $begun $ended" >status
  # The last act ends every process in this session's group: the helpers and this shell.
  kill -KILL "-$$"
}

# Ends everything this channel started; the run is in sessions of its own.
leave() {
  trap '' HUP TERM
  # A child that is between fork and exec would lose a SIGTERM; its own children end by themselves soon.
  # shellcheck disable=SC2086  # numbers of processes
  kill -KILL $helpers
  kill -TERM 0
  exit 0
}
# Ends with a client that cannot be written to, and with the shell itself: nobody answers for one that was killed.
beat() {
  trap '' PIPE
  while sleep "$interval" && kill -0 $$ && say H; do :; done
  kill -HUP $$
}
await_end() {
  # The FIFO is held open both ways for a moment: opening it for reading alone would wait for a writer.
  exec 9<>ended 6<ended 9>&-
  read -r line <&6
  if read -r line <status; then
    # No other record may come between a result's bytes.
    kill -STOP "$beating"
    say "X $line"
    if [ -f result ]; then say "R $(wc -c <result)"; cat result >&5; else say R -; fi
    kill -CONT "$beating"
  else
    # The supervisor was killed: what it would have done is left to us.
    read -r command supervisor <pids && kill -KILL "-$command" "-$supervisor"
    drop_secrets
    # Where nothing can be written any more, nor can be how the run ended.
    case $(stat -f -c %a .) in 0) say X full ;; *) say X lost ;; esac
  fi
}
# Follows the run in this folder from the byte given until the client is done with it or gone.
follow() {
  helpers=
  trap leave HUP TERM
  exec 7<>control
  # One client at a time: the session of a lost connection may not know of the loss yet.
  if [ -e session ] && read -r older begun <session && start_of "$older" && [ "$start" = "$begun" ]; then
    kill -KILL "-$older" || kill -KILL "$older"
  fi
  start_of $$; printf '%s\n' "$$ $start" >session
  say S
  beat </dev/null 7>&- &
  beating=$!
  helpers=$beating
  await_end </dev/null 7>&- &
  awaiting=$!
  helpers="$helpers $awaiting"
  # GNU tail waits for inotify, or else looks ten times a second; other tails look every second.
  quick=
  tail -s 0.1 -n 0 /dev/null && quick='-s 0.1'
  # shellcheck disable=SC2086  # an option, or none
  tail $quick -c "+$(($1 + 1))" -f log </dev/null 7>&- &
  helpers="$helpers $!"
  while read -r word; do
    case $word in
      cancel) echo cancel >&7 ;;
      done)
        wait "$awaiting"
        drop_secrets
        cd / && rm -rf -- "$folder"
        say D
        break ;;
    esac
  done
  leave
}

run() {
  line; interval=$line
  value; folder=$value
  [ ! -e "$folder" ] || fail taken
  mkdir "$folder" || { mkdir -p "${folder%/*}" && mkdir "$folder"; } || fail folder
  cd "$folder" || fail folder
  # The supervisor reads the rest of the request itself and says nothing where all is well.
  answer=$(lian_wrapper=$lian_wrapper lian_role=supervise lian_nonce=$nonce \
    setsid /bin/sh -c 'eval "$lian_wrapper"' <&3 3<&- 5>&1 &)
  [ -e nonce ] || {
    # Where the supervisor was killed, its secrets are left to us.
    drop_secrets
    cd / && rm -rf -- "$folder"
    printf '%s\n' "${answer:-$nonce E setsid}" >&5
    exit 1
  }
  follow 0
}
# Goes into the folder of a run of the client's.
enter_run() {
  value; folder=$value
  cd "$folder" && read -r owner <nonce && [ "$owner" = "$nonce" ] || fail gone
}
attach() {
  line; interval=$line
  enter_run
  line; offset=$line
  follow "$offset"
}
# Joins this channel with the relay of a run.
agents() {
  enter_run
  exec perl secrets/relay.pl join secrets 3<&- 5>&-
}

# Goes into a folder of ours, made where there is none. Anything else of that name is removed: of a link the link, not
# what it leads to. Sets reason where that fails.
enter() {
  if [ -h "$1" ] || { [ -e "$1" ] && [ ! -d "$1" ]; }; then rm -f -- "$1"; fi
  # Another context of this build may make the same folder at this moment.
  reason=$(mkdir "$1" 2>&1) || [ -d "$1" ] || return 1
  parent=${PWD%/} reason="$PWD/$1 is not a folder of its own"
  cd -P "$1" && [ "$PWD" = "$parent/$1" ]
}
# Goes into a context's folder on the volume. What lies there may have been put there by anybody, so no link is followed.
# Nobody else may look into `lian-build`: rsync gives the context's folder the mode that it has at the client.
enter_volume() {
  reason="$volume is not a folder of its own"
  [ -d "$volume" ] && [ ! -h "$volume" ] && cd -P "$volume" || return 1
  enter lian-build && chmod 700 . || return 1
  contexts=$PWD
  # rsync would write a file's new content and mode to all of its names, wherever they are.
  [ "$content" != kept ] || {
    enter "$name" && find . -type f -links +1 -exec rm -f {} + && return 0
    cd -P "$contexts" || return 1
  }
  [ ! -e "$name" ] && [ ! -h "$name" ] || reason=$(mv "$name" "old-$nonce" 2>&1) || return 1
  enter "$name"
}
# Removes what no context of this build left on the volume, when rsync, which this shell became, has ended.
sweep_volume() {
  cd -P "$contexts" || exit 1
  while kill -0 $$; do sleep 1; done
  for item in * .[!.]* ..?*; do
    case $names in *"/$item/"*) continue ;; esac
    nice -n 19 rm -rf -- "$item" && continue
    # In a folder that may not be written to, nothing can be removed.
    find "./$item" -type d -exec chmod u+rwx {} \;
    rm -rf -- "$item"
  done
}
# Sets options to those for rsync. None holds anything that a shell would take apart.
rsync_options() {
  line; left=$line
  options=
  while [ "$left" -gt 0 ]; do
    value
    case $value in [!-]* | *[!A-Za-z0-9.,=@_-]*) fail request "rsync's options" ;; esac
    options="$options $value"
    left=$((left - 1))
  done
  command -v rsync >/dev/null || fail rsync_missing
}
# Receives a context into a folder. With a volume it lies there, and the folder is a link to it.
receive() {
  value; folder=$value
  value; volume=$value
  # The context's name on the volume, whether what lies there under it is kept to be compared, and the names of all of
  # the build's contexts, between slashes.
  [ -z "$volume" ] || { line; name=$line; line; content=$line; line; names=$line; }
  rsync_options
  if [ -n "$volume" ]; then
    enter_volume || fail "volume $reason"
    mkdir -p "${folder%/*}" && rm -rf -- "$folder" && ln -s "$PWD" "$folder" || fail folder
    (sweep_volume) </dev/null >/dev/null 3<&- 5>&- &
  else
    [ ! -h "$folder" ] || rm -f "$folder"
    mkdir -p "$folder" && [ -w "$folder" ] && cd -P "$folder" || fail folder
  fi
  # shellcheck disable=SC2086  # each option is a word
  exec rsync --server $options . ./ 2>&5 3<&- 5>&-
}
# Sends a file that a run left in its folder, or what is in a folder there.
send() {
  value; folder=$value
  line; name=$line
  case $name in '' | *[!a-z0-9/-]*) fail request "the output's name" ;; esac
  rsync_options
  cd -P "$folder" || fail gone
  # shellcheck disable=SC2086  # each option is a word
  exec rsync --server --sender $options . "$name" 2>&5 3<&- 5>&-
}

# One line a second, with the room on the disk of the folder given.
sample() {
  value; disk=$value
  find_cgroup
  usage || fail cgroup
  while sleep 1; do usage || exit 0; done
}

probe() {
  for program in rsync buildctl; do
    command -v "$program" >/dev/null || continue
    version=$("$program" --version)
    printf '%s\n' "$program ${version%%"$newline"*}"
  done
}

[ "${lian_role-}" != supervise ] || supervise
# Records go to the true standard error; what programs say there is of no use to the client.
exec 3<&0 5>&2 2>/dev/null
line; nonce=$line
# A login shell's rc files may have printed something on either output, perhaps half a line.
printf '%s\n' "$nonce"
printf '\n' >&5
line
case $line in
  run | attach | agents | receive | send | sample | probe) "$line" ;;
  *) fail request "the verb" ;;
esac
