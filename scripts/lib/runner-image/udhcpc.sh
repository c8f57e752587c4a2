#!/bin/sh
# Called by udhcpc, which sets the variables.
# shellcheck disable=SC2154
case $1 in
  bound | renew)
    ip addr add "$ip/${mask:-24}" dev "$interface" 2>/dev/null
    [ -z "$router" ] || ip route replace default via "$router"
    for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
    ;;
esac
