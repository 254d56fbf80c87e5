#!/bin/sh
# Builds the system image that serves as the domain controller's and every machine's root. Runs in mount and PID
# namespaces of its own, so that a build that is killed leaves neither a mount nor a daemon, only its directory.
#
#   build.sh WORK TARGET SUITE MIRROR KEYRING COMPONENTS PACKAGES OPTIONAL_PACKAGES
#
# WORK holds what image.ts prepared: `build.sources`, `apt.conf`. TARGET appears complete, by a rename, or not at all.
# Packages are separated by spaces. Each line on standard output is a step for the person who waits.
set -eu
work=$1 target=$2 suite=$3 mirror=$4 keyring=$5 components=$6 packages=$7 optional=$8
cd "$work"
root=$work/root

# apt's own state lies here: the host's lists may be missing or old, and are none of our business.
mkdir -p state/lists/partial cache/archives/partial tools
touch state/status
apt() {
  command=$1
  shift
  "apt-$command" -o "Dir::State=$work/state" -o "Dir::State::status=$work/state/status" -o "Dir::Cache=$work/cache" \
    -o "Dir::Etc::sourcelist=$work/build.sources" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root \
    -o 'APT::Update::Post-Invoke-Success::=true' -o Acquire::Retries=2 -o Acquire::Languages=none "$@"
}

echo 'reading the package sources'
# The hooks of the host's configuration would act on the host.
apt get -o 'APT::Update::Post-Invoke::=' --quiet=2 update

if command -v debootstrap >/dev/null; then
  debootstrap=debootstrap
else
  (cd tools && apt get --quiet=2 download debootstrap && dpkg-deb --extract debootstrap_*.deb .)
  export DEBOOTSTRAP_DIR="$work/tools/usr/share/debootstrap"
  debootstrap=$work/tools/usr/sbin/debootstrap
fi

# debootstrap downloads with wget. apt's own downloader stands in for it: it is always there, and knows the host's proxy.
cat >tools/wget <<'END'
#!/bin/sh
while [ $# -gt 1 ]; do
  if [ "$1" = -O ]; then
    shift
    file=$1
  fi
  shift
done
exec /usr/lib/apt/apt-helper -o APT::Sandbox::User=root -qq download-file "$1" "$file"
END
chmod +x tools/wget

for package in $optional; do
  if apt cache show "$package" >/dev/null 2>&1; then packages="$packages $package"; fi
done

# All of it at once: debootstrap would ask for one package after another. What this misses, or where it fails, those who need it get.
echo 'downloading the packages'
# shellcheck disable=SC2086
apt get --quiet=2 --yes -o Debug::NoLocking=1 --no-install-recommends --download-only install \
  '?and(?priority(required),?architecture(native))' apt ca-certificates $packages >download.log 2>&1 </dev/null || :

# The disk is thrown away with the run: no need to wait for it.
mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/sandbox"
printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' \
  >>"$root/etc/dpkg/dpkg.cfg.d/sandbox"

echo 'installing the base system'
PATH="$work/tools:$PATH" "$debootstrap" "--cache-dir=$work/cache/archives" --variant=minbase --include=ca-certificates \
  ${keyring:+"--keyring=$keyring"} "--components=$components" "$suite" "$root" "$mirror" >debootstrap.log 2>&1 || {
  tail -n 20 debootstrap.log >&2
  exit 1
}

echo 'installing Samba, adcli, SSSD and the rest'
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"

# What the host knows about reaching its sources, for the time of the build only.
cp apt.conf "$root/etc/apt/apt.conf.d/99build"
rm -f "$root/etc/apt/sources.list"
cp build.sources "$root/etc/apt/sources.list.d/build.sources"
mkdir -p "$root/etc/apt/keyrings"
sed -n 's/^Signed-By: \(\/.*\)/\1/p' build.sources | sort -u | while read -r key; do
  mkdir -p "$root${key%/*}"
  cp -n "$key" "$root$key"
done
[ ! -d /etc/apt/trusted.gpg.d ] || cp -rn /etc/apt/trusted.gpg.d "$root/etc/apt/"
[ ! -e /etc/apt/auth.conf ] || cp /etc/apt/auth.conf "$root/etc/apt/"
[ ! -d /etc/apt/auth.conf.d ] || cp -r /etc/apt/auth.conf.d "$root/etc/apt/"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L /etc/hosts "$root/etc/hosts"
rm -rf "$root/var/lib/apt/lists"
cp -r state/lists "$root/var/lib/apt/lists"

find "$work/cache/archives" -maxdepth 1 -name '*.deb' -exec ln -f {} "$root/var/cache/apt/archives/" \;
mount -t proc proc "$root/proc"
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" apt-get -o APT::Sandbox::User=root --quiet --yes \
  --no-install-recommends install $packages >install.log 2>&1 </dev/null || {
  tail -n 20 install.log >&2
  exit 1
}
umount "$root/proc"

echo 'finishing'
rm -rf "$root/etc/apt/apt.conf.d/99build" "$root/etc/apt/auth.conf" "$root/etc/apt/auth.conf.d" \
  "$root/etc/resolv.conf" "$root/etc/samba/smb.conf" "$root/etc/machine-id" "$root/etc/hostname" \
  "$root/var/lib/apt/lists" "$root/var/cache/apt" "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
mv -T "$root" "$target"
