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

new_line='
'

# A node that starts has few processors, and many commands that want them: a process costs more than all that the shell can do by
# itself. So what is called often sets a variable instead of printing, which would take a process, too.

# Sets cleaned to a text made safe inside a JSON string: printable ASCII without quote and backslash, at most 300 characters. Most
# texts are safe as they are.
clean() {
  cleaned=$1
  case $1 in
  *[!\ -~]* | *'"'* | *\\* | *'  '*) ;;
  *) if [ "${#1}" -le 300 ]; then return 0; fi ;;
  esac
  cleaned=$(printf '%s' "$1" | tr -s '[:space:]' ' ' | tr -cd ' -~' | tr -d '"\134' | cut -c 1-300)
}

letters='Aa Bb Cc Dd Ee Ff Gg Hh Ii Jj Kk Ll Mm Nn Oo Pp Qq Rr Ss Tt Uu Vv Ww Xx Yy Zz'

# Sets lower to a text in lower case.
to_lower() {
  lower=$1
  case $1 in *[A-Z]*) ;; *) return 0 ;; esac
  for pair in $letters; do
    replace "$lower" "${pair%?}" "${pair#?}"
    lower=$replaced
  done
}

# Sets upper to a text in upper case.
to_upper() {
  upper=$1
  case $1 in *[a-z]*) ;; *) return 0 ;; esac
  for pair in $letters; do
    replace "$upper" "${pair#?}" "${pair%?}"
    upper=$replaced
  done
}

# Sets replaced to a text in which something stands for something else wherever it was. Usage: replace TEXT OLD NEW
replace() {
  replaced='' rest=$1
  while :; do
    case $rest in
    *"$2"*) replaced=$replaced${rest%%"$2"*}$3 rest=${rest#*"$2"} ;;
    *) break ;;
    esac
  done
  replaced=$replaced$rest
}

# Sets first_line to the first line of a file.
read_line() {
  first_line=''
  { read -r first_line <"$1" || [ -n "$first_line" ]; } 2>/dev/null
}

# Sets text to what a file of a few lines says, with an end to each line; fails where there is none.
read_text() {
  text=''
  while IFS= read -r text_line || [ -n "$text_line" ]; do text=$text$text_line$new_line; done <"$1"
} 2>/dev/null

# Sleeps for an eighth of what was slept since waited was 0, in tenths of a second: for one at least, and nine at most. Each sleep is a
# process, and where something takes long, the processor is what it waits for.
doze() {
  tenths=$((waited / 8 + 1))
  if [ "$tenths" -gt 9 ]; then tenths=9; fi
  waited=$((waited + tenths))
  sleep "0.$tenths"
}

# Removes what is there of the paths given.
remove() {
  for path in "$@"; do
    if [ ! -e "$path" ] && [ ! -L "$path" ]; then continue; fi
    rm -rf "$@"
    return
  done
}

# Replaces a file by a text in one step, so that no reader and no kill finds half of it. Usage: put MODE FILE TEXT
put() {
  # What a killed command left has the mode that it was made with.
  remove "$2.adjoin"
  case $1 in
  0644) umask 0133 ;;
  0440) umask 0337 ;;
  *) umask 0177 ;;
  esac
  if ! printf '%s' "$3" >"$2.adjoin"; then
    umask 0077
    rm -f "$2.adjoin"
    return 1
  fi
  umask 0077
  # In a container the file may be a mount, which can't be replaced; then it is written in place.
  mv "$2.adjoin" "$2" 2>/dev/null || { printf '%s' "$3" >"$2" && rm -f "$2.adjoin"; } || return 1
  if command -v restorecon >/dev/null; then restorecon "$2" || :; fi
}

# Opens the root-only directory of adjoin, which must never be on a disk, and waits for other commands on this node: after a
# lost answer, Run Command may deliver a command twice.
open_state() {
  if [ "$(stat -f -c %T /run)" != tmpfs ]; then
    echo 'adjoin: /run is not a tmpfs; the private key must not reach a disk' >&2
    return 1
  fi
  # Made with the mode that it is to have.
  if [ -d "$state" ]; then mode=0700; else mode='' && mkdir -p "$state"; fi
  # shellcheck disable=SC3067 # dash, bash and busybox have it
  if [ -L "$state" ] || [ ! -O "$state" ]; then
    echo 'adjoin: /run/adjoin does not belong to root' >&2
    return 1
  fi
  if [ -n "$mode" ]; then chmod "$mode" "$state"; fi
  exec 9>"$state/lock"
  # A quarter of the time limit. The rest is enough to do the work, or to say that it can't be done.
  if ! flock -w "$((TIME_LIMIT / 4))" 9; then
    echo 'adjoin: another command of adjoin is still at work on this node' >&2
    return 1
  fi
}

