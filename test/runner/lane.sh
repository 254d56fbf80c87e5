#!/bin/sh
# PID 1 of a lane: new mount, network and PID namespaces within the outer one (infra/sandbox/host/init.sh), which has made
# /etc its own already; the current directory is the clone. Its shell's `wait` reaps every orphan of the lane.
#
#   lane.sh DIRECTORY COMMAND [ARGUMENT…]
set -eu
# What the lanes share, in the memory of the outer namespace: domains that one of them has provisioned.
mkdir -p .sandbox/run/domains
exec 3<.sandbox/run/domains
# From here on it is the lane's .sandbox. What /etc/resolv.conf points to is in it.
mount --bind "$1" .sandbox
shift
ip link set lo up
echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/all/disable_ipv6 || :
mkdir -p .sandbox/run
mount -t tmpfs -o nosuid,mode=0700 tmpfs .sandbox/run
mkdir .sandbox/run/domains
mount --bind /proc/self/fd/3 .sandbox/run/domains
exec 3<&-

"$@" <&0 &
child=$!
trap 'kill -TERM "$child" 2>/dev/null || :' TERM
while :; do
  status=0
  wait "$child" || status=$?
  kill -0 "$child" 2>/dev/null || exit "$status"
done
