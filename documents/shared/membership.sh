# What this node is a member of, and how to make it forget.
# Needs base.sh.
# shellcheck disable=SC2034,SC2154 # the scripts that include this file read what it sets, and include base.sh

# Sets member_domain and member_name to what this node believes to be, without asking the network. The keytab is the
# membership; a domain that is configured without one is named as well, because it is somebody's all the same.
read_membership() {
  member_domain='' member_name=''
  if [ -s "$keytab" ]; then
    principal=$(klist -k "$keytab" 2>/dev/null | sed -n 's/^ *[0-9][0-9]* *\([^ /]*\$@[^ ]*\)$/\1/p' | head -n 1)
    member_name=${principal%%\$@*}
    member_domain=$(lower "${principal#*@}")
  fi
  if [ -z "$member_domain" ] && { [ -s "$sssd_conf" ] || [ -s /etc/samba/smb.conf ]; }; then
    member_domain=$(lower "$(realm_now list --name-only 2>/dev/null | head -n 1)")
  fi
}

# --install=/ makes realm bring its own realmd along: the same code path with and without D-Bus and systemd, no package
# installation, and no service restart behind our back. In the foreground, it stays in the process group that the SSM agent kills.
realm_now() {
  timeout --foreground -k 2 "${realm_limit-20}" realm --install=/ "$@" </dev/null 9>&-
}

has_systemd() {
  [ -d /run/systemd/system ]
}

sssd_pid() {
  pid=$(cat /run/sssd.pid 2>/dev/null || :)
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sssd ] && printf '%s' "$pid"
}

stop_sssd() {
  if has_systemd; then
    timeout --foreground -k 1 5 systemctl --no-ask-password disable --now sssd >/dev/null 2>&1 || :
  fi
  if pid=$(sssd_pid); then
    kill "$pid" 2>/dev/null || :
    tries=0
    while [ -d "/proc/$pid" ] && [ "$tries" -lt 20 ]; do
      sleep 0.05
      tries=$((tries + 1))
    done
    kill -KILL "$pid" 2>/dev/null || :
  fi
}

# Takes a domain's configuration and credentials off the node; the directory is not asked.
forget_membership() {
  stop_sssd
  if [ -s "$sssd_conf" ]; then
    realm_limit=5 realm_now leave --unattended "$1" >/dev/null 2>&1 || rm -f "$sssd_conf"
  fi
  rm -f "$keytab"
  rm -rf /var/lib/sss/db/* /var/lib/sss/mc/* /var/lib/sss/pubconf/krb5.include.d/* /var/lib/sss/pubconf/kdcinfo.*
}
