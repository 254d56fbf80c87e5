#!/bin/sh
# The first process of a machine, in new mount, network, UTS, IPC and PID namespaces; the current directory is the
# machine's own: `upper` and `work` are its disk and outlive a reboot.
#
#   boot.sh INIT IMAGE LAYER HOST_NAME ADDRESS/PREFIX GATEWAY RESOLVER_CONFIGURATION SEARCH_DOMAIN [DIRECTORY…]
#
# INIT is `shell` or `systemd`; for systemd there is a cgroup namespace as well, whose root is the machine's own cgroup.
# LAYER is what lies between the image and the machine's disk, or empty.
# The directories of the host that are named can be read in the machine, at the same places.
#
# Says `namespaces` when its network namespace exists, waits for one line (the cable is in), says `up`, and stays as PID 1.
set -eu
init=$1 image=$2 layer=$3 host_name=$4 address=$5 gateway=$6 resolver=$7 search=$8
shift 8

echo namespaces

# Relative names throughout: a path with a comma or a colon in it would break overlay's options.
mkdir -p lower root upper work
mount --bind "$image" lower
if [ -n "$layer" ]; then
  mkdir -p layer
  mount --bind "$layer" layer
fi
mount -t overlay -o "lowerdir=${layer:+layer:}lower,upperdir=upper,workdir=work" overlay root

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
if [ "$init" = systemd ]; then
  mount -t sysfs -o nosuid,nodev,noexec,ro sysfs root/sys
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 root/sys/fs/cgroup
  # A unit with PrivateDevices gets copies of these.
  mkdir root/dev/pts
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts root/dev/pts
  ln -s pts/ptmx root/dev/ptmx
  # Units for hardware, consoles and housekeeping, and servers of the image that only the controller is: a machine that lives for
  # minutes has no use for them, and each costs processor time. `/run` is empty at each boot, so the disk knows nothing of it.
  mkdir -p root/run/systemd/system root/run/systemd/journald.conf.d
  for unit in getty.target systemd-logind.service cron.service e2scrub_reap.service e2scrub_all.timer fstrim.timer \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer logrotate.timer systemd-tmpfiles-clean.timer \
    nmbd.service samba-ad-dc.service smbd.service winbind.service cryptsetup.target integritysetup.target veritysetup.target \
    dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount \
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount kmod-static-nodes.service \
    modprobe@.service systemd-binfmt.service systemd-firstboot.service systemd-journal-flush.service systemd-modules-load.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-pstore.service systemd-random-seed.service \
    systemd-remount-fs.service systemd-repart.service systemd-sysctl.service systemd-sysusers.service \
    systemd-tmpfiles-setup-dev.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path; do
    ln -s /dev/null "root/run/systemd/system/$unit"
  done
  printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=4M\nCompress=no\n' >root/run/systemd/journald.conf.d/machine.conf
fi

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
if [ "$init" = systemd ]; then
  # shellcheck disable=SC2016
  exec chroot . /bin/sh -c '
    umount -l /mnt
    echo up
    exec </dev/null >/dev/null 2>&1
    exec env -i container=adjoin PATH="$PATH" /lib/systemd/systemd --system --unit=multi-user.target'
fi
# A shell that waits for ever is enough of an init: `wait` also reaps the orphans that daemons leave to PID 1.
# shellcheck disable=SC2016
exec chroot . /bin/sh -c '
  umount -l /mnt
  echo up
  exec </dev/null >/dev/null 2>&1
  while :; do sleep 2147483647 & wait; done'
