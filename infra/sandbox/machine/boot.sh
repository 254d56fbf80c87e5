#!/bin/sh
# The first process of a machine, in new mount, network, UTS, IPC and PID namespaces; the current directory is the
# machine's own: `upper` and `work` are its disk and outlive a reboot.
#
#   boot.sh IMAGE HOST_NAME ADDRESS/PREFIX GATEWAY RESOLVER_CONFIGURATION SEARCH_DOMAIN [DIRECTORY…]
#
# The directories of the host that are named can be read in the machine, at the same places.
#
# Says `namespaces` when its network namespace exists, waits for one line (the cable is in), says `up`, and stays as PID 1.
set -eu
image=$1 host_name=$2 address=$3 gateway=$4 resolver=$5 search=$6
shift 6

echo namespaces

# Relative names throughout: a path with a comma or a colon in it would break overlay's options.
mkdir -p lower root upper work
mount --bind "$image" lower
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay root

for directory in "$@"; do
  mkdir -p "root$directory"
  mount --bind "$directory" "root$directory"
  mount -o remount,bind,ro "root$directory"
done

mount -t proc -o nosuid,nodev,noexec proc root/proc
mount -t tmpfs -o nosuid,mode=0755 tmpfs root/run
mkdir -p root/run/lock
mount -t tmpfs -o nosuid,mode=0755 tmpfs root/dev
for device in null zero full random urandom tty; do
  : >"root/dev/$device"
  mount --bind "/dev/$device" "root/dev/$device"
done
mkdir -m 1777 root/dev/shm
ln -s /proc/self/fd root/dev/fd
ln -s /proc/self/fd/0 root/dev/stdin
ln -s /proc/self/fd/1 root/dev/stdout
ln -s /proc/self/fd/2 root/dev/stderr

# A disk that was booted before keeps its name: a join sets the host name, and a reboot must not undo it.
if [ ! -e upper/etc/machine-id ]; then
  tr -d '\n-' <root/proc/sys/kernel/random/uuid >root/etc/machine-id
  echo "$host_name" >root/etc/hostname
  printf '127.0.0.1 localhost\n%s %s.%s %s\n' "${address%/*}" "$host_name" "$search" "$host_name" >root/etc/hosts
fi
rm -f root/etc/resolv.conf
printf '%ssearch %s\n' "$resolver" "$search" >root/etc/resolv.conf
read -r host_name <root/etc/hostname
echo "$host_name" >root/proc/sys/kernel/hostname

read -r _
echo 1 >root/proc/sys/net/ipv6/conf/all/disable_ipv6 2>root/dev/null || :
ip link set lo up
ip address add "$address" dev eth0
ip link set eth0 up
ip route add default via "$gateway"

cd root
pivot_root . mnt
# A shell that waits for ever is enough of an init: `wait` also reaps the orphans that daemons leave to PID 1.
# shellcheck disable=SC2016
exec chroot . /bin/sh -c '
  umount -l /mnt
  echo up
  exec </dev/null >/dev/null 2>&1
  while :; do sleep 2147483647 & wait; done'
