# What this node is a member of, and how to remove that membership from it.
# Needs base.sh.
# shellcheck disable=SC2034,SC2154 # the scripts that include this file read what it sets, and include base.sh

# Sets member_domain and member_name from the node's own files, without the network. A machine's keys in the keytab are the
# membership. If keytab or sssd's configuration contain anything else of a domain, they were set up by others. So if anything
# there is not part of a membership in the domain given, member_domain names it: it must not be removed.
read_membership() {
  member_name='' member_domain='' keys='' realms=''
  if [ -e "$keytab" ]; then keys=$(klist -k "$keytab" 2>/dev/null) || :; fi
  # One line at a time, in which nothing is a pattern.
  set -f
  IFS=$new_line
  for line in $keys; do
    principal=${line##* }
    # Before it is its number, and nothing else.
    case ${line%"$principal"} in *[!0-9\ ]* | *[0-9]' '*[0-9]*) continue ;; *[0-9]*) ;; *) continue ;; esac
    case $principal in *@*) realms=$realms${principal##*@}$new_line ;; *) continue ;; esac
    name=${principal%'$@'*}
    if [ -n "$member_name" ] || [ "$name" = "$principal" ]; then continue; fi
    case $name in */*) ;; *) member_name=$name ;; esac
  done
  # adcli writes the machine's own keys first, so other keys without them were never part of a join.
  services='' domains=''
  if [ -z "$member_name" ]; then services=' (keys of services)'; fi
  for name in $realms; do domains=$domains$name$services$new_line; done
  unset IFS
  read_sssd_domains
  domains=$domains$sssd_domains
  if [ -z "$domains" ] && [ -s /etc/samba/smb.conf ]; then domains=$(samba_domains); fi
  to_lower "$domains"
  IFS=$new_line
  for name in $lower; do
    member_domain=$name
    if [ "$name" != "$domain" ]; then break; fi
  done
  unset IFS
  set +f
}

# Sets sssd_domains to the domains that sssd is configured for, one a line. One without the AD provider is no membership; its provider
# follows.
read_sssd_domains() {
  sssd_domains='' section='' provider=''
  if [ ! -f "$sssd_conf" ]; then return 0; fi
  while read -r text_line || [ -n "$text_line" ]; do
    case $text_line in '['* | id_provider*) ;; *) continue ;; esac
    while :; do
      case $text_line in
      *[[:space:]]*) text_line=${text_line%%[[:space:]]*}${text_line#*[[:space:]]} ;;
      *) break ;;
      esac
    done
    case $text_line in
    '['*)
      end_of_section
      provider='no provider'
      case $text_line in '[domain/'*) section=${text_line#'[domain/'} && section=${section%?} ;; esac
      ;;
    id_provider=*) provider=${text_line#id_provider=} ;;
    esac
  done <"$sssd_conf"
  end_of_section
}

end_of_section() {
  if [ -z "$section" ]; then return 0; fi
  sssd_domains=$sssd_domains$section
  if [ "$provider" != ad ]; then sssd_domains="$sssd_domains ($provider)"; fi
  sssd_domains=$sssd_domains$new_line section=''
}

# Prints domains that Samba is configured to be a member of by itself. Only between $( and ), whose process becomes awk's.
samba_domains() {
  exec awk -F= '
    { key = tolower($1); gsub(/[ \t]/, "", key); value = $2; gsub(/[ \t\r]/, "", value) }
    /^[ \t]*\[/ { global = (tolower($0) ~ /\[global\]/) }
    global && key == "security" { member = (tolower(value) == "ads") }
    global && key == "realm" { realm = value }
    END { if (member && realm != "") print realm " (samba)" }' /etc/samba/smb.conf
}

has_systemd() {
  [ -d /run/systemd/system ]
}

# Whether sssd runs, and sets pid to its process. Versions since 2.10 may keep its number in a directory of its own.
find_sssd() {
  for file in /run/sssd.pid /run/sssd/sssd.pid; do
    if [ ! -s "$file" ] || ! read_line "$file"; then continue; fi
    pid=$first_line
    case $pid in '' | *[!0-9]*) continue ;; esac
    if read_line "/proc/$pid/comm" && [ "$first_line" = sssd ]; then return 0; fi
  done
  pid=''
  return 1
}

stop_sssd() {
  if has_systemd; then
    timeout --foreground -k 1 5 systemctl --no-ask-password disable --now sssd >/dev/null 2>&1 || :
  fi
  if find_sssd; then
    kill "$pid" 2>/dev/null || :
    waited=0
    while [ -d "/proc/$pid" ] && [ "$waited" -lt 10 ]; do doze; done
    kill -KILL "$pid" 2>/dev/null || :
  fi
}

# Removes a domain from sssd's configuration, and nothing else.
forget_in_sssd() {
  read_sssd_domains
  if [ -z "$sssd_domains" ]; then return 0; fi
  text=$(awk -v domain="$1" '
    { text = $0; gsub(/[ \t\r]/, "", text) }
    text ~ /^\[/ { inside = (tolower(text) == "[domain/" domain "]") }
    inside { next }
    text ~ /^domains=/ {
      count = split(substr(text, 9), names, ",")
      list = ""
      for (i = 1; i <= count; i++) if (tolower(names[i]) != domain) list = list (list == "" ? "" : ", ") names[i]
      $0 = "domains = " list
    }
    { print }' "$sssd_conf") && put 0600 "$sssd_conf" "$text$new_line"
}

# Removes a membership from the node; the directory is not asked. It may be killed at any point: what shows the membership is
# removed last, so that the next command finds it and goes on. Chained, because `set -e` has no effect where a result is tested: the
# first complaint is the reason.
forget_membership() {
  stop_sssd
  remove /var/lib/sss/db/* /var/lib/sss/mc/* /var/lib/sss/pubconf/krb5.include.d/* /var/lib/sss/pubconf/kdcinfo.* &&
    remove "$keytab" "$krb5_settings" && forget_in_sssd "$1"
}
