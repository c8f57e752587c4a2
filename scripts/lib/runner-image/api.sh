# shellcheck shell=bash
# For recipes that speak to an API, which source this. They set before the first question: endpoint, authorization, and
# reason, jq's filter for what an error says. `folder` is one of their own, which they remove.
# shellcheck disable=SC2154
folder=$(mktemp -d)

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# ask METHOD PATH [FLAG…]: the answer on stdout; what the API says against it, as an error. The token is on no command line.
ask() {
  local method=$1 path=$2 status
  shift 2
  status=$(curl --silent --show-error --max-time "${limit:-60}" --config - --request "$method" --output "$folder/answer" \
    --write-out '%{http_code}' "$@" "$endpoint$path" <<<"header = \"Authorization: $authorization\"") || return
  case $status in 2*) cat "$folder/answer" ;; *)
    printf 'error: %s %s: status %s: %s\n' "$method" "$path" "$status" "$(jq -r "$reason" "$folder/answer")" >&2
    return 1
    ;;
  esac
}

# until_is PATH FILTER WORD SECONDS: polls until the filter gives the word; "error" ends it.
until_is() {
  local path=$1 filter=$2 word=$3 end=$((SECONDS + $4)) found
  while :; do
    # What fails here may pass.
    found=$(ask GET "$path" | jq -r "$filter") || found=unknown
    [ "$found" != "$word" ] || return 0
    [ "$found" != error ] || die "$path failed: $(jq -r "$reason" "$folder/answer")"
    [ "$SECONDS" -lt "$end" ] || die "$path is still '$found' after $4 seconds"
    sleep 2
  done
}
