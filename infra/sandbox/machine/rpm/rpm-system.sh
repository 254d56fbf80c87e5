#!/bin/sh
# Makes a machine of the sandbox look like one of an RPM system: all that a join needs is in packages of a local repository, with the
# files that Debian has for it, and not on the disk until they are installed. A path that RPM systems have elsewhere is a link there.
# The log-in tool is a stub, which notes in /root/calls how it is called. So is systemctl; where systemd runs, it then does its work.
#
#   rpm-system.sh authselect | authconfig | pam-config [installed]
#
# `installed`: the packages are installed, and there is no repository any more.
set -eu
tool=$1 installed=${2-}
top=/root/rpm
files=$top/files
modules=$(dirname /usr/lib/*/sssd/libsss_ad.so)
library=$(echo /usr/lib/*/libnss_sss.so.2)
systemd=
if [ "$(cat /proc/1/comm)" = systemd ]; then systemd=yes; fi
mkdir -p $files $top/SPECS /run/systemd/system /usr/local/sbin /etc/yum.repos.d /etc/rpm
# Debian's rpm keeps a database for each user; where RPM is the system's own, there is one.
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
: >/root/calls

cat >$top/stub <<'END'
#!/bin/sh
echo "${0##*/} $*" >>/root/calls
case "${0##*/} $1" in
'authselect current') exit 2 ;;
'authselect select') mkdir -p /var/lib/authselect/backups/adjoin ;;
'authconfig --savebackup=adjoin') mkdir -p /var/lib/authconfig/backup-adjoin ;;
esac
END
if [ -n "$systemd" ]; then
  # systemd would start one whose program is in no package yet.
  systemctl --quiet disable sssd
  cat >/usr/local/sbin/systemctl <<'END'
#!/bin/sh
case $* in
*' sssd') ;;
*) echo "systemctl $*" >>/root/calls ;;
esac
exec /usr/bin/systemctl "$@"
END
else
  cat >/usr/local/sbin/systemctl <<'END'
#!/bin/sh
case $* in
*' enable --now sssd')
  # As systemd does, it starts what does not run.
  if [ -e /run/sssd.pid ] && [ "$(cat "/proc/$(cat /run/sssd.pid)/comm")" = sssd ]; then exit 0; fi
  cd / && umask 0022 && exec setsid /usr/sbin/sssd -D --logger=files </dev/null >/dev/null 2>&1
  ;;
*' sssd') exit 0 ;;
esac
echo "systemctl $*" >>/root/calls
[ "$1" != is-enabled ]
END
fi
chmod 0755 $top/stub /usr/local/sbin/systemctl
ln -s /usr/bin/dnf /usr/local/sbin/yum

# copy FILE, link TO FILE, stub FILE: what comes into a package. package NAME FILE…: a package of such files.
copy() { mkdir -p "$files$(dirname "$1")" && cp -a "$1" "$files$1"; }
link() { mkdir -p "$files$(dirname "$2")" && ln -sf "$1" "$files$2"; }
stub() { mkdir -p "$files$(dirname "$1")" && cp $top/stub "$files$1"; }
# The service of a stub, which stays until it is stopped.
service() {
  mkdir -p $files/usr/lib/systemd/system
  printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
    >"$files/usr/lib/systemd/system/$1.service"
}
package() {
  printf '%%package -n %s\nSummary: %s\nAutoReqProv: no\n%%description -n %s\n%s\n%%files -n %s\n' "$1" "$1" "$1" "$1" "$1"
  echo "$1" >>/root/names
  shift
  printf '%s\n' "$@"
}

{
  printf 'Name: fleet\nVersion: 1\nRelease: 1\nSummary: what a join needs\nLicense: none\nAutoReqProv: no\n'
  printf '%%global debug_package %%{nil}\n%%global __os_install_post %%{nil}\n%%description\nall\n'
  printf '%%install\ncp -a %s/. %%{buildroot}\n' $files
  copy /usr/sbin/adcli && package adcli /usr/sbin/adcli
  copy /usr/bin/nsupdate && package bind-utils /usr/bin/nsupdate
  copy "$modules/libsss_ad.so" && link "$modules/libsss_ad.so" /usr/lib64/sssd/libsss_ad.so &&
    package sssd-ad "$modules/libsss_ad.so" /usr/lib64/sssd/libsss_ad.so
  stub "/usr/bin/$tool" && package "$tool" "/usr/bin/$tool"
  stub /usr/bin/amazon-ssm-agent && service amazon-ssm-agent &&
    package amazon-ssm-agent /usr/bin/amazon-ssm-agent /usr/lib/systemd/system/amazon-ssm-agent.service
  copy /usr/bin/klist
  copy /usr/sbin/sssd
  if [ "$tool" = pam-config ]; then
    package krb5-client /usr/bin/klist
    package sssd /usr/sbin/sssd
  else
    package krb5-workstation /usr/bin/klist
    package sssd-common /usr/sbin/sssd
    copy "$library" && link "$library" /usr/lib64/libnss_sss.so.2 && package sssd-client "$library" /usr/lib64/libnss_sss.so.2
    stub /usr/sbin/oddjobd && service oddjobd && package oddjob /usr/sbin/oddjobd /usr/lib/systemd/system/oddjobd.service
    stub /usr/libexec/oddjob/mkhomedir && package oddjob-mkhomedir /usr/libexec/oddjob/mkhomedir
  fi
} >$top/SPECS/fleet.spec
HOME=/root rpmbuild -bb --quiet --define "_topdir $top" $top/SPECS/fleet.spec >/root/build.log 2>&1 || {
  tail -n 20 /root/build.log >&2
  exit 1
}
createrepo_c --quiet $top/RPMS
printf '[vendor]\nname=vendor\nbaseurl=file://%s/RPMS\ngpgcheck=0\n' $top >/etc/yum.repos.d/vendor.repo
(cd $files && find . -type f) | while read -r file; do rm -f "/$file"; done

if [ "$tool" = pam-config ]; then
  sed -i 's/^\(passwd\|group\|shadow\):.*/\1: compat/' /etc/nsswitch.conf
  sed -i '/pam_sss/d; /pam_mkhomedir/d' /etc/pam.d/common-auth /etc/pam.d/common-session
fi
cp /etc/nsswitch.conf /root/nsswitch

if [ -n "$installed" ]; then
  case $tool in
  pam-config) install="zypper --non-interactive --quiet --no-gpg-checks --reposd-dir /etc/yum.repos.d install" ;;
  *) install='dnf -y -q install' ;;
  esac
  # shellcheck disable=SC2046,SC2086 # words without spaces
  $install $(cat /root/names) >/root/install.log 2>&1 || {
    tail -n 20 /root/install.log >&2
    exit 1
  }
  rm /etc/yum.repos.d/vendor.repo
fi
