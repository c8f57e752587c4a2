#!/usr/bin/env bash
# lxc.sh NAME: a container on a cluster as one would script it, until a command has run in it over SSH. It starts sshd alone,
# no engine. From the environment:
#
#   LXD_DIR             of the member that is asked
#   IMAGE, MEMBER       what it is made of, and where
#   ADDRESS, PORT       of the member, where its SSH is to be reached
#   KEY, PUBLIC_KEY     the SSH key's file, and its public half
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
ssh-keygen -q -t ed25519 -N '' -C '' -f "$scratch/host_key"
printf '[%s]:%s %s\n' "$ADDRESS" "$PORT" "$(cat "$scratch/host_key.pub")" >"$scratch/known_hosts"
boot="#!/bin/sh
mkdir -p /run/sshd /root/.ssh /etc/ssh
echo '$PUBLIC_KEY' >/root/.ssh/authorized_keys
umask 077
echo '$(cat "$scratch/host_key")' >/etc/ssh/ssh_host_ed25519_key
/usr/sbin/sshd -f /dev/null -o HostKey=/etc/ssh/ssh_host_ed25519_key"
lxc launch "$IMAGE" "$1" --ephemeral --target "$MEMBER" --config "cloud-init.user-data=$boot" >/dev/null
lxc config device add "$1" ssh proxy "listen=tcp:$ADDRESS:$PORT" connect=tcp:127.0.0.1:22 >/dev/null
until ssh -F none -T -p "$PORT" -i "$KEY" -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \
  -o UserKnownHostsFile="$scratch/known_hosts" -o StrictHostKeyChecking=yes "root@$ADDRESS" true; do
  sleep 0.05
done
