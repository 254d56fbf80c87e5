# What this node is a member of, and how to remove that membership from it.
# Needs base.sh.
# shellcheck disable=SC2034,SC2154 # the scripts that include this file read what it sets, and include base.sh

# Sets member_domain and member_name from the node's own files, without the network. A machine's keys in the keytab are the
# membership. If keytab or sssd's configuration contain anything else of a domain, they were set up by others. So if anything
# there is not part of a membership in the domain given, member_domain names it: it must not be removed.
read_membership() {
  principals=$(klist -k "$keytab" 2>/dev/null | sed -n 's/^ *[0-9][0-9]* *\([^ ]*@[^ ]*\)$/\1/p')
  member_name=$(printf '%s\n' "$principals" | sed -n 's/^\([^/]*\)\$@.*/\1/p' | head -n 1)
  # adcli writes the machine's own keys first, so other keys without them were never part of a join.
  services=''
  if [ -z "$member_name" ]; then services=' (keys of services)'; fi
  domains=$(
    printf '%s\n' "$principals" | sed -n "s/.*@\(.*\)/\1$services/p"
    sssd_domains
  )
  if [ -z "$domains" ]; then domains=$(samba_domains); fi
  domains=$(lower "$domains")
  member_domain=$(printf '%s\n' "$domains" | grep -vxF -e '' -e "$domain" | head -n 1)
  if [ -z "$member_domain" ] && [ -n "$domains" ]; then member_domain=$domain; fi
}

# The domains that sssd is configured for, one a line. One without the AD provider is no membership; its provider follows.
sssd_domains() {
  [ ! -f "$sssd_conf" ] || awk '
    function tell() { if (name != "") print name (provider == "ad" ? "" : " (" provider ")") }
    { gsub(/[ \t\r]/, "") }
    /^\[/ { tell(); name = ""; provider = "no provider" }
    /^\[domain\// { name = substr($0, 9, length($0) - 9) }
    /^id_provider=/ { provider = substr($0, 13) }
    END { tell() }' "$sssd_conf"
}

# Domains that Samba is configured to be a member of by itself.
samba_domains() {
  [ ! -s /etc/samba/smb.conf ] || awk -F= '
    { key = tolower($1); gsub(/[ \t]/, "", key); value = $2; gsub(/[ \t\r]/, "", value) }
    /^[ \t]*\[/ { global = (tolower($0) ~ /\[global\]/) }
    global && key == "security" { member = (tolower(value) == "ads") }
    global && key == "realm" { realm = value }
    END { if (member && realm != "") print realm " (samba)" }' /etc/samba/smb.conf
}

has_systemd() {
  [ -d /run/systemd/system ]
}

# Sets first_line to the first line of a file, without a process.
read_line() {
  first_line=''
  { read -r first_line <"$1" || [ -n "$first_line" ]; } 2>/dev/null
}

# sssd 2.10 and later may keep its process ID in a directory of its own.
sssd_pid() {
  for file in /run/sssd.pid /run/sssd/sssd.pid; do
    if [ ! -s "$file" ] || ! read_line "$file"; then continue; fi
    pid=$first_line
    case $pid in '' | *[!0-9]*) continue ;; esac
    if read_line "/proc/$pid/comm" && [ "$first_line" = sssd ]; then
      printf '%s' "$pid"
      return 0
    fi
  done
  return 1
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

# Removes a domain from sssd's configuration, and nothing else.
forget_in_sssd() {
  if [ -z "$(sssd_domains)" ]; then return 0; fi
  awk -v domain="$1" '
    { text = $0; gsub(/[ \t\r]/, "", text) }
    text ~ /^\[/ { inside = (tolower(text) == "[domain/" domain "]") }
    inside { next }
    text ~ /^domains=/ {
      count = split(substr(text, 9), names, ",")
      list = ""
      for (i = 1; i <= count; i++) if (tolower(names[i]) != domain) list = list (list == "" ? "" : ", ") names[i]
      $0 = "domains = " list
    }
    { print }' "$sssd_conf" >"$sssd_conf.adjoin" &&
    chmod 0600 "$sssd_conf.adjoin" && mv "$sssd_conf.adjoin" "$sssd_conf"
}

# Removes a membership from the node; the directory is not asked. It may be killed at any point: what shows the membership is
# removed last, so that the next command finds it and goes on. Chained, because `set -e` has no effect where a result is tested: the
# first complaint is the reason.
forget_membership() {
  stop_sssd
  rm -rf /var/lib/sss/db/* /var/lib/sss/mc/* /var/lib/sss/pubconf/krb5.include.d/* /var/lib/sss/pubconf/kdcinfo.* &&
    rm -f "$keytab" "$krb5_settings" && forget_in_sssd "$1"
}
