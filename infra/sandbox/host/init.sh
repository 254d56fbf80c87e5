#!/bin/sh
# PID 1 of the outer namespace: new mount, network and PID namespaces; the current directory is the clone. Prepares the
# ground, then runs the command and answers with its exit code. It exists because PID 1 inherits every orphan, and Node
# reaps only the children it started itself; this shell's `wait` reaps all.
#
#   init.sh HOST_PID COMMAND [ARGUMENT…]
set -eu
host_pid=$1
shift

# This process has the lock: write down its ID, and remove what a killed run left.
echo "$host_pid" >.sandbox/lock
find .sandbox -mindepth 1 -maxdepth 1 ! -name lock ! -name ports.json -exec rm -rf {} +

ip link set lo up
echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/all/disable_ipv6 || :

# Everything that lives at run time is memory of this namespace.
mkdir .sandbox/run
mount -t tmpfs -o nosuid,mode=0700 tmpfs .sandbox/run

# An /etc of our own, so that this namespace resolves names by the domain's controllers, as a VPC's DHCP options arrange
# it. Who starts a controller writes the file.
(
  cd .sandbox/run
  mkdir -p etc/upper etc/work
  mount -t overlay -o lowerdir=/etc,upperdir=etc/upper,workdir=etc/work overlay /etc
)
rm -f /etc/resolv.conf
ln -s "$PWD/.sandbox/run/resolv.conf" /etc/resolv.conf
sed -i 's/^hosts:.*/hosts: files dns/' /etc/nsswitch.conf
# A name service cache of the host would answer from the host's network.
if [ -d /run/nscd ]; then mount -t tmpfs tmpfs /run/nscd; fi

"$@" <&0 &
child=$!
trap 'kill -TERM "$child" 2>/dev/null || :' TERM
# the command is in no terminal's session, so it hears of a new window size only from here
trap 'kill -WINCH "$child" 2>/dev/null || :' WINCH
while :; do
  status=0
  wait "$child" || status=$?
  kill -0 "$child" 2>/dev/null || exit "$status"
done
