# shellcheck shell=sh
# Stops the engine of a runner so that what is on its volume is whole, and holds no local sources: of those, only what
# has changed in size or time would be read again. Where bytes are named, it first forgets what it used longest ago, until
# no more than so many are left. It ends with one line in /run/lian/stop: "clean " and how many bytes are on the volume, or
# "unclear: " and why.
set -u
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
run=/run/lian
volume=/var/lib/lian/volume
left=${1:-}

tell() {
  printf '%s\n' "$1" >"$run/stop.new"
  mv "$run/stop.new" "$run/stop"
  exit 0
}

[ -d "$volume/engine" ] || tell 'unclear: its data lies on no volume'
[ ! -e "$run/engine.end" ] || tell "unclear: it had ended before (exit status $(cat "$run/engine.end"))"
if [ -S "$run/buildkitd.sock" ]; then
  engine() { timeout 10 buildctl --addr "unix://$run/buildkitd.sock" "$@"; }
  prune_sources() { engine prune --all --filter type==source.local; }
  shrink() { engine prune --all --keep-storage $((left / 1000000)); }
else
  engine() { timeout 10 docker --host "unix://$run/docker.sock" "$@"; }
  prune_sources() { engine builder prune --force --all --filter type=source.local; }
  # Nobody builds with the images themselves, and what they hold could not be forgotten.
  shrink() { engine image prune --all --force && engine builder prune --all --force --keep-storage "$left"; }
fi
# One that nobody has built with yet may be still coming up.
tries=0
until prune_sources >"$run/prune.log" 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge 50 ] || [ -e "$run/engine.end" ]; then
    tell "unclear: its local sources could not be pruned: $(tail -n 1 "$run/prune.log")"
  fi
  sleep 0.1
done
# Where it does not succeed the data is whole all the same, and whether it is too much is seen by its size.
[ -z "$left" ] || shrink >"$run/shrink.log" 2>&1 || true
kill -TERM "$(cat "$run/engine.pid")" || tell 'unclear: it ended while it was pruned'
tries=0
until [ -s "$run/engine.end" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || tell 'unclear: it did not end within ten seconds of SIGTERM'
  sleep 0.1
done
read -r status <"$run/engine.end"
# BuildKit leaves with 1 after SIGTERM.
case $status in
  0 | 1) ;;
  *) tell "unclear: it did not end cleanly (exit status $status)" ;;
esac
sync -f "$volume/engine" || tell 'unclear: what it wrote could not be written to the disk'
kilobytes=$(timeout 10 du -s -x -k "$volume" | cut -f 1)
case $kilobytes in
  '' | *[!0-9]*) tell 'unclear: how much is on the volume could not be counted' ;;
esac
tell "clean $((kilobytes * 1024))"
