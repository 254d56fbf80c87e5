#!/bin/sh
# Installs packages over the machine image, into a directory of their own that a machine can have between the image and its
# disk. Runs in a mount and a PID namespace of its own, so that a build that is killed leaves only its directory.
#
#   layer.sh WORK IMAGE TARGET PACKAGE…
#
# WORK holds `apt.conf`: how the host reaches its sources, which the image has kept. TARGET appears complete, by a rename, or
# not at all.
set -eu
work=$1 image=$2 target=$3
shift 3
cd "$work"
# Relative names throughout: a path with a comma or a colon in it would break overlay's options.
mkdir -p lower root upper overlay
mount --bind "$image" lower
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=overlay overlay root
mount -t proc proc root/proc

cp apt.conf root/etc/apt/apt.conf.d/99build
[ ! -e /etc/apt/auth.conf ] || cp /etc/apt/auth.conf root/etc/apt/
[ ! -d /etc/apt/auth.conf.d ] || cp -r /etc/apt/auth.conf.d root/etc/apt/
cp -L /etc/resolv.conf root/etc/resolv.conf
cp -L /etc/hosts root/etc/hosts
{
  chroot root apt-get -o APT::Sandbox::User=root -o Acquire::Retries=2 --quiet=2 update
  DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot root apt-get -o APT::Sandbox::User=root --quiet --yes \
    --no-install-recommends install "$@"
} >install.log 2>&1 </dev/null || {
  tail -n 20 install.log >&2
  exit 1
}
umount root/proc root lower

# What the image lacks must not be missing in what is laid over it: only what was installed stays.
rm -rf upper/etc/apt upper/etc/resolv.conf upper/etc/hosts upper/var/lib/apt upper/var/cache/apt upper/var/log upper/tmp
mv -T upper "$target"
