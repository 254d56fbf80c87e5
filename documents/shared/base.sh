# Included by every Linux script: a known environment, and the root-only directory of adjoin.
# The document assigns TIME_LIMIT: seconds after which the SSM agent kills the script.
# shellcheck disable=SC2034 # the scripts that include this file read what it sets

set -eu
umask 077
# A tool that crashes while it has the one-time password must not leave it in a core file.
# shellcheck disable=SC3045 # dash, bash and busybox have it
ulimit -c 0
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/mit/bin
# The SSM agent may have inherited these; they would make Kerberos or OpenSSL use other files.
unset KRB5_CONFIG KRB5CCNAME KRB5_KTNAME OPENSSL_CONF

state=/run/adjoin
key=$state/key.pem
keytab=/etc/krb5.keytab
sssd_conf=/etc/sssd/sssd.conf
os_release=/etc/os-release
# What adjoin tells Kerberos. An included file whose name has a dot is skipped by older versions.
krb5_settings=/etc/krb5.conf.d/adjoin
# In lower case; a probe is given none.
domain=''

# Makes any text safe inside a JSON string: printable ASCII without quote and backslash, at most 300 characters. Most texts
# are safe as they are: here and below a node forks no process where the shell itself can tell.
clean() {
  case $1 in
  *[!A-Za-z0-9.,:+/=_-]*) printf '%s' "$1" | tr -s '[:space:]' ' ' | tr -cd ' -~' | tr -d '"\134' | cut -c 1-300 ;;
  *) printf '%.300s' "$1" ;;
  esac
}

upper() {
  case $1 in
  *[a-z]*) printf '%s' "$1" | tr '[:lower:]' '[:upper:]' ;;
  *) printf '%s' "$1" ;;
  esac
}

lower() {
  case $1 in
  *[A-Z]*) printf '%s' "$1" | tr '[:upper:]' '[:lower:]' ;;
  *) printf '%s' "$1" ;;
  esac
}

# Replaces a file by standard input in one step, so that no reader and no kill finds half of it. Usage: put MODE FILE
put() {
  if ! { cat >"$2.adjoin" && chmod "$1" "$2.adjoin"; }; then
    rm -f "$2.adjoin"
    return 1
  fi
  # In a container the file may be a mount, which can't be replaced; then it is written in place.
  mv "$2.adjoin" "$2" 2>/dev/null || { cat "$2.adjoin" >"$2" && rm -f "$2.adjoin"; } || return 1
  if command -v restorecon >/dev/null; then restorecon "$2" || :; fi
}

# Opens the root-only directory of adjoin, which must never be on a disk, and waits for other commands on this node: after a
# lost answer, Run Command may deliver a command twice.
open_state() {
  if [ "$(stat -f -c %T /run)" != tmpfs ]; then
    echo 'adjoin: /run is not a tmpfs; the private key must not reach a disk' >&2
    return 1
  fi
  mkdir -p "$state"
  if [ -L "$state" ] || [ "$(stat -c %u "$state")" != 0 ]; then
    echo 'adjoin: /run/adjoin does not belong to root' >&2
    return 1
  fi
  chmod 0700 "$state"
  exec 9>"$state/lock"
  # A quarter of the time limit. The rest is enough to do the work, or to say that it can't be done.
  if ! flock -w "$((TIME_LIMIT / 4))" 9; then
    echo 'adjoin: another command of adjoin is still at work on this node' >&2
    return 1
  fi
}

