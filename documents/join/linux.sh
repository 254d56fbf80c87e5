#!/bin/sh
# Joins this node to the domain with the one-time password of its staged computer account, on the domain controller
# that staged it, and verifies the result.
# The document assigns GIVEN_DOMAIN, GIVEN_CONTROLLER and GIVEN_ENTRIES, the JSON text of a list of
# `instance-ID:computer-name:sealed-one-time-password`, and what the files that it includes ask for.
#
# It may be killed at any point and run again. A working membership is never joined again, because the one-time password is
# dead after its first use; only what is missing around the membership is completed.

# Included by the document, as there is nothing beside the script on a node.
. ../shared/base.sh
. ../shared/system.sh
. ../shared/packages.sh
. ../shared/membership.sh
. ../shared/log-in.sh
. ../shared/access.sh

say() {
  clean "$3"
  printf '{"adjoin":1,"document":"join","result":"%s","code":"%s","domain":"%s","computerName":"%s","detail":"%s"}\n' \
    "$1" "$2" "$domain" "$computer" "$cleaned"
  exit 0
}
fail() { say failed "$1" "$2"; }

# Sets now to the seconds that the system has been up, which nobody sets to another time.
read_clock() {
  read_line /proc/uptime
  now=${first_line%%.*}
}

# Ten seconds before the agent kills the script, it says why it is not done.
read_clock
deadline=$((now + TIME_LIMIT - 10))
to_lower "$GIVEN_DOMAIN"
domain=$lower
to_lower "$GIVEN_CONTROLLER"
controller=$lower
computer=''

open_state
# The key is for this attempt only, however it ends. The journal has the output of the tools, never a secret.
work=$state/join
journal=$state/join.log
log_in_journal=$state/join-log-in.log
trap 'rm -f "$key" "$key.new" "$journal" "$log_in_journal" "$work.sudoers" "$sssd_conf.adjoin"' EXIT
trap 'exit 1' HUP INT TERM
: >"$journal"

# This node's entry, and only this node's.
instance=${AWS_SSM_INSTANCE_ID-}
# A hybrid node's begins with another letter.
case ${instance#m} in
i-*[!0-9a-f]* | i- | '') fail no-entry 'The SSM agent did not say which instance this is.' ;;
i-*) ;;
*) fail no-entry 'The SSM agent named something that is not an instance.' ;;
esac
others=${GIVEN_ENTRIES#*"\"$instance:"}
if [ "$others" = "$GIVEN_ENTRIES" ]; then fail no-entry "No entry for $instance."; fi
case $others in *"\"$instance:"*) fail no-entry "More than one entry for $instance." ;; esac
entry=$instance:${others%%\"*}
sealed=${entry##*:}
computer=${entry#*:}
computer=${computer%%:*}
to_lower "$computer"
host=$lower
fqdn=$host.$domain
to_upper "$domain"
realm=$upper

# The first line in which a package manager reports an error. That dnf does not know the release is none, and what is wrong with a
# repository stands below zypper's title for it.
install_complaint() {
  {
    grep -vE 'detect release version|^Error building the cache' "$journal" |
      grep -iE 'error|not signed|signature verification|any GPG public keys|unable|no match|not found|no provider' ||
      tail -n 1 "$journal"
  } | head -n 1
}

read_system
if [ -n "$refusal" ]; then fail "$refusal" "$detail"; fi
find_sudo
if [ -n "$missing" ] && can_install; then
  # shellcheck disable=SC2086 # names without spaces
  install_packages $missing >>"$journal" 2>&1 ||
    fail packages-not-installed "On $system, $package_manager says: $(install_complaint). Missing: $missing"
  find_missing
  find_sudo
fi
if [ -n "$missing" ]; then fail packages-missing "Packages missing on $system: $missing"; fi

read_membership
if [ -n "$member_domain" ] && [ "$member_domain" != "$domain" ]; then
  fail foreign-domain "The node is set up for $member_domain, which is no membership in $domain."
fi

account_works() {
  timeout --foreground -k 1 30 adcli testjoin --domain="$domain" --domain-controller="$controller" --host-keytab="$keytab" \
    >>"$journal" 2>&1 9>&-
}

# Ignores case: realm, which earlier releases joined with, wrote the name as the domain controller spelled it. The section
# is written last of what is set up.
configured() {
  grep -qsiF "[domain/$domain]" "$sssd_conf" && grep -qs '^dyndns_update = ' "$sssd_conf" && [ ! -s "$log_in_unfinished" ] &&
    read_line /proc/sys/kernel/hostname && [ "$first_line" = "$host" ] && access_configured
}

# The steps of what follows are chained with &&, because `set -e` has no effect in a function whose result is tested.

set_host_name() {
  put 0644 /etc/hostname "$host$new_line" && hostname "$host" || return 1
  if has_systemd; then
    timeout --foreground -k 1 5 hostnamectl --no-ask-password set-hostname "$host" 9>&- || :
  fi
  # Distributions use 127.0.1.1 for a host's own name: the name then resolves before DNS knows it.
  hosts=''
  while IFS= read -r text_line || [ -n "$text_line" ]; do
    case $text_line in 127.0.1.1[[:space:]]*) ;; *) hosts=$hosts$text_line$new_line ;; esac
  done </etc/hosts || :
  put 0644 /etc/hosts "${hosts}127.0.1.1 $fqdn $host$new_line"
}

# In a file of our own that the image's krb5.conf includes: everything else in it stays. Names are not looked up backwards,
# because nobody keeps the reverse zones of a fleet.
set_up_kerberos() {
  directory=${krb5_settings%/*}
  [ -d "$directory" ] || mkdir -m 0755 "$directory" || return 1
  put 0644 "$krb5_settings" "[libdefaults]${new_line}default_realm = $realm${new_line}rdns = false$new_line" || return 1
  if grep -qs '^includedir  */etc/krb5\.conf\.d/*[[:space:]]*$' /etc/krb5.conf; then return 0; fi
  # The first value that Kerberos reads is the one that counts.
  settings=''
  if [ -s /etc/krb5.conf ]; then settings=$(cat /etc/krb5.conf)$new_line || return 1; fi
  put 0644 /etc/krb5.conf "includedir $directory/$new_line$settings"
}

# The domain's section is written anew, and its name added to the list of domains. What else is there belongs to the image.
# dyndns: with another offset, sssd may register the node's address only 5 minutes later. Records in reverse zones, which it
# registers by default, would stay when the account and its addresses are removed.
# subdomain_refresh: a provider that was offline when it started learns the domain's SID by this refresh, and maps no user
# without it; it would wait for up to 5 minutes after going online. Versions before 2.8 know neither, and do not mind.
# timeouts: a controller that a fleet starts at takes longer than the usual 8 seconds for a ticket and 1 for a DNS answer.
set_up_sssd() {
  { [ -d "${sssd_conf%/*}" ] || mkdir -p "${sssd_conf%/*}"; } && forget_in_sssd "$domain" || return 1
  text="[sssd]${new_line}domains = $domain${new_line}services = nss, pam"
  if [ -f "$sssd_conf" ]; then
    text=$(awk -v domain="$domain" '
      function leave() {
        if (!inside) return
        if (!domains) print "domains = " domain
        if (!services) print "services = nss, pam"
        inside = 0
      }
      { text = $0; gsub(/[ \t\r]/, "", text) }
      text ~ /^\[/ { leave(); inside = (text == "[sssd]"); found = found || inside }
      inside && text ~ /^domains=/ { domains = 1; $0 = text == "domains=" ? "domains = " domain : $0 ", " domain }
      inside && text ~ /^services=/ { services = 1 }
      { print }
      END {
        leave()
        if (!found) { print "[sssd]"; inside = 1; leave() }
      }' "$sssd_conf") || return 1
  fi
  read_access && put 0600 "$sssd_conf" "$text$new_line
[domain/$domain]
id_provider = ad
$access
ad_domain = $domain
ad_hostname = $fqdn
krb5_realm = $realm
ldap_sasl_authid = $computer\$
ldap_id_mapping = True
use_fully_qualified_names = True
fallback_homedir = /home/%u@%d
default_shell = /bin/bash
cache_credentials = True
krb5_store_password_if_offline = True
subdomain_refresh_interval_offset = 0
dyndns_update = True
dyndns_update_ptr = False
dyndns_refresh_interval_offset = 0
ldap_opt_timeout = 20
dns_resolver_server_timeout = 2000
dns_resolver_op_timeout = 6
dns_resolver_timeout = 20
"
}

# All that a member needs beside its keys and log-ins; sssd's configuration last, because `configured` looks for it.
set_up() {
  { set_host_name && set_up_kerberos && set_up_sudo && set_up_sssd; } >>"$journal" 2>&1
}

# Log-ins, beside other work: their tools only want a processor, and adcli waits for the network for most of its time.
begin_log_in() {
  { [ -d "${log_in_unfinished%/*}" ] || mkdir -p "${log_in_unfinished%/*}"; } && echo unfinished >"$log_in_unfinished" || return 1
  # A function whose result is not tested would end at its first failure.
  { set_up_log_in || exit 1; } >"$log_in_journal" 2>&1 &
  log_in=$!
}

finish_log_in() {
  wait "$log_in" && : >"$log_in_unfinished"
}

# Nothing goes on after the script's end.
set_up_failed() {
  wait "$log_in" || :
  fail setup-failed "$(complaint)"
}

# What the log-in tools complain of.
log_in_complaint() { tail -n 1 "$log_in_journal"; }

# The one-time password goes through a pipe, from the shell itself: no argument, environment or file has it.
# The keytab is named, because the image's krb5.conf may name another one. The time is long: an adcli that is killed after it has
# changed the password, and before it has written the keytab, costs a staging and a join.
join_domain() {
  printf '%s' "$1" |
    timeout --foreground -k 2 120 adcli join --verbose --domain="$domain" --domain-controller="$controller" \
      --computer-name="$computer" --host-fqdn="$fqdn" --host-keytab="$keytab" --login-type=computer --stdin-password \
      >>"$journal" 2>&1 9>&-
}

# The first line in which a tool reports an error.
complaint() {
  { grep -E '^( ! |adcli: )' "$journal" || tail -n 1 "$journal"; } | head -n 1
}

# Enabling reads all units three times on Debian, which takes many seconds on a node that is still booting: a start that is given up
# after them would fail a join that has worked. sssd's own unit gives up in time.
# Without systemd, sssd is started as a daemon in a session of its own, with none of the command's files open.
start_sssd() {
  if has_systemd; then
    timeout --foreground -k 1 60 systemctl --no-ask-password enable --now sssd >>"$journal" 2>&1 9>&- || return 1
  elif ! find_sssd; then
    remove /run/sssd.pid /run/sssd/sssd.pid
    (cd / && umask 0022 && exec setsid sssd -D --logger=files </dev/null >/dev/null 2>&1 9>&-) || return 1
  fi
  # sssd writes its process ID when its providers and responders have answered: at most 10 seconds here.
  waited=0
  until sssd_runs; do
    if [ "$waited" -ge 100 ]; then return 1; fi
    doze
  done
  # From now on: on a busy node the start alone takes ten seconds, after which it must not be told that it is late.
  read_clock
  started=$now
}

sssd_runs() {
  [ -S /var/lib/sss/pipes/nss ] && find_sssd
}

# Whether a process is what sssd runs for the domain, and sets catches to whether it catches USR1 and USR2: they are the 10th and the
# 12th of the bits that the kernel shows as a hexadecimal number. A container's processes are among those of the node; the kernel shows
# of these that they have another number in there.
is_provider() {
  read_line "$1/comm" && [ "$first_line" = sssd_be ] && read_line "$1/cmdline" || return 1
  # A shell reads arguments without what ends each. The domain has the case in which sssd's configuration names it.
  to_lower "$first_line"
  case $lower in *--domain"$domain"*) ;; *) return 1 ;; esac
  catches=false
  while read -r field value others; do
    case $field in
    NSpid:) if [ -n "$others" ]; then return 1; fi ;;
    SigCgt:) case $value in *[abef]??) catches=true ;; esac ;;
    esac
  done <"$1/status"
} 2>/dev/null

# Whether sssd is connected to a controller, which it finds by itself. What it resolves may come from its cache otherwise. The
# ports are those of LDAP, LDAPS and the global catalog, in hexadecimal as /proc has them.
sssd_online() {
  for process in /proc/[0-9]*; do
    if ! is_provider "$process"; then continue; fi
    set -- - "$process/net/tcp"
    if [ -e "$process/net/tcp6" ]; then set -- "$@" "$process/net/tcp6"; fi
    find "$process/fd" -type l -printf '%l\n' 2>/dev/null | awk '
      /^socket:/ { own[$1] = 1 }
      $4 == "01" && $3 ~ /:(0185|027C|0CC4|0CC5)$/ && ("socket:[" $10 "]" in own) { online = 1 }
      END { exit !online }' "$@" 2>/dev/null && return 0
  done
  return 1
}

# Whether the node's own account, which needs no settings, comes through NSS, and from a controller.
resolves() {
  timeout --foreground -k 1 10 getent passwd "$computer\$@$domain" >/dev/null 2>&1 9>&- && sssd_online
}

# Waits until sssd resolves the node's own account. sssd that was offline at its start, because controllers were busy, waits a
# minute by itself: it is told to try again, and each time later, because a fleet that does so at once keeps them busy. One that
# is online and resolves nothing has missed the domain's SID, and is started again.
await_users() {
  pause=$((10 + $$ % 6))
  next=$((started + pause))
  until sssd_runs && resolves; do
    read_clock
    time=$now
    if [ "$time" -ge "$deadline" ]; then return 1; fi
    if [ "$time" -ge "$next" ]; then
      if sssd_runs && ! sssd_online; then
        kill -USR2 "$pid" 2>/dev/null || :
      else
        stop_sssd
        start_sssd || return 1
      fi
      pause=$((pause * 2))
      next=$((time + pause))
    fi
    sleep 1
  done
}

# Whether sssd is to register the node's name: unless the image says no, in sssd.conf or in a snippet, where the last one counts.
registers_name() {
  set -- "$sssd_conf"
  for file in /etc/sssd/conf.d/[!.]*.conf; do
    if [ -f "$file" ]; then set -- "$@" "$file"; fi
  done
  awk -v section="[domain/$domain]" '
    { gsub(/[ \t\r]/, ""); $0 = tolower($0) }
    /^\[/ { inside = ($0 == section) }
    inside && /^dyndns_update=/ { off = /=(false|no|0)$/ }
    END { exit off }' "$@"
}

# Has sssd register the node's name now: it does so 10 seconds after its start, or when it was told to be offline and online again.
# Its provider, told by itself, goes online at once, and a second later where it hears of it from sssd. It takes the signals, as
# sssd(8) says, from the time on at which it catches them; before, they would end it. Nor is it told before users resolve: a provider
# that goes offline while it learns the domain's SID is without one for long.
told_offline=false
children=''
hurry_registration() {
  told_offline=true
  for process in /proc/[0-9]*; do
    if is_provider "$process" && [ "$catches" = true ]; then
      children=$process/task/${process#/proc/}/children
      { kill -USR1 "${process#/proc/}" && kill -USR2 "${process#/proc/}"; } 2>/dev/null || :
    fi
  done
}

# Waits until sssd has run the tool that it registers names with, for some two seconds at most. The provider's children are looked at, if the
# kernel lists them: all processes of a node are many.
await_nsupdate() {
  waited=0 seen=false
  while [ "$waited" -lt 20 ]; do
    if [ -e "$children" ]; then
      read_line "$children" || :
      set --
      for number in $first_line; do set -- "$@" "/proc/$number"; done
    else
      set -- /proc/[0-9]*
    fi
    running=false
    for process in "$@"; do
      if read_line "$process/comm" && [ "$first_line" = nsupdate ]; then running=true seen=true; fi
    done
    if [ "$seen" != "$running" ]; then return 0; fi
    doze
  done
}

# Sets servers: those of the zone that are asked for the node's name. They are the one that the zone says updates go to, which
# does not change meanwhile, the controller that sssd has found, and the one of the join.
primary=''
find_servers() {
  servers=$primary
  kdcs=/var/lib/sss/pubconf/kdcinfo.$realm
  if [ -e "$kdcs" ]; then
    while read -r server || [ -n "$server" ]; do
      server=${server%:88}
      server=${server#"["}
      servers="$servers ${server%"]"}"
    done <"$kdcs"
  fi 2>/dev/null || :
  if [ "$primary" != "$controller." ]; then servers="$servers $controller"; fi
}

# Whether a server of the zone gives an address of this node for its name. The system's own resolver would remember that there
# is no such name. The first question asks as well which server takes updates; that one is asked from the next question on.
is_named() {
  find_servers
  set --
  if [ -z "$primary" ]; then set -- "$domain" SOA; fi
  for server in $servers; do set -- "$@" "$fqdn" A "@$server" "$fqdn" AAAA "@$server"; done
  asked=0
  answers=$(dig +short +time=2 +tries=1 "$@" 2>/dev/null 9>&-) || asked=$?
  # That no server answers is 9. With any other code it has not asked: one of them has a name without an address.
  if [ "$asked" != 0 ] && [ "$asked" != 9 ]; then
    answers=''
    for server in '' $servers; do
      if [ -z "$server" ]; then set -- "$domain" SOA; else set -- "$fqdn" A "@$server" "$fqdn" AAAA "@$server"; fi
      answers="$answers$(dig +short +time=2 +tries=1 "$@" 2>/dev/null 9>&-)$new_line" || :
    done
  fi
  own=''
  while read -r address rest; do
    # A message is none. The zone's own record has seven words, of which the first is a name.
    case "$address $rest" in
    ' ') ;;
    *.\ *.\ [0-9]*) primary=$address ;;
    *[!0-9a-f.:]*\ | *\ ?*) ;;
    ?*)
      if [ -z "$own" ]; then own=" $(hostname -I) "; fi
      case $own in *" $address "*) return 0 ;; esac
      ;;
    esac
  done <<END
$answers
END
  return 1
}

# Waits until the name leads to the node. sssd registers it. Nothing else may: registered on two controllers before they have
# replicated, it would leave a conflict object in the zone. sssd tries again only a day later, so it is started again.
await_name() {
  if [ "$told_offline" = false ]; then
    if is_named; then return 0; fi
    hurry_registration
  fi
  read_clock
  latest=$((now + 120))
  if [ "$latest" -gt "$deadline" ]; then latest=$deadline; fi
  again=30
  while :; do
    # Each look is a process that costs as much as all others of a second: one before the end of a registration is in vain.
    await_nsupdate
    if is_named; then return 0; fi
    read_clock
    if [ "$now" -ge "$latest" ]; then return 1; fi
    if [ "$((now - started))" -ge "$again" ]; then
      stop_sssd
      start_sssd || return 1
      again=$((again * 2))
    fi
  done
}

# Why sssd does not do what it should: what it says itself, or else what can be seen.
sssd_trouble() {
  if ! grep -qsE '^passwd:.*[[:space:]]sss([[:space:]]|$)' /etc/nsswitch.conf; then
    printf 'nsswitch.conf does not name sss for passwd'
  elif ! find_sssd; then
    printf 'sssd does not run: %s' "$(sssd_log)"
  elif ! sssd_online; then
    printf 'sssd is connected to no domain controller: %s' "$(sssd_log)"
  else
    printf 'sssd does not resolve %s$@%s: %s' "$computer" "$domain" "$(sssd_log)"
  fi
}

# The last serious message of sssd: of its configuration, of its monitor, and of the domain unless it does not run at all.
sssd_log() {
  {
    if command -v sssctl >/dev/null; then
      timeout --foreground -k 1 5 sssctl config-check 2>/dev/null 9>&- | grep '^\[rule' || :
    fi
    if has_systemd; then
      timeout --foreground -k 1 5 journalctl -q -u sssd -n 20 -o cat --no-pager 2>/dev/null 9>&- || :
    fi
    if find_sssd; then
      serious "/var/log/sssd/sssd_$domain.log"
    else
      serious /var/log/sssd/sssd.log
    fi
  } | tail -n 1
}

# The messages of sssd's three most serious levels, without their time. That a pidfile is not there is none.
serious() {
  tail -n 200 "$1" 2>/dev/null | grep -E '^\([0-9].* \(0x00[124]0\): ' | grep -v pidfile | sed 's/^([^)]*): //' || :
}

works=false
if [ "$member_name" = "$computer" ]; then
  code=0
  account_works || code=$?
  case $code in
  0) works=true ;;
  # adcli's exit code when the domain controller refuses the credentials: the account was staged again, or is another one.
  3) ;;
  # Unknown. A membership that may still work is not removed only because a domain controller can't be asked.
  *) fail adcli-failed "$(complaint)" ;;
  esac
  : >"$journal"
fi

result=joined
if [ "$works" = true ]; then
  if configured; then
    if find_sssd; then result=already; fi
  else
    stop_sssd
    begin_log_in >>"$journal" 2>&1 || fail setup-failed "$(complaint)"
    set_up || set_up_failed
    finish_log_in || fail setup-failed "$(log_in_complaint)"
  fi
else
  if [ ! -s "$key" ]; then fail no-key 'The private key of the probe is gone: probe again.'; fi
  one_time_password=$(printf '%s' "$sealed" | base64 -d 2>/dev/null |
    openssl pkeyutl -decrypt -inkey "$key" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \
      -pkeyopt rsa_mgf1_md:sha256 2>/dev/null) || one_time_password=''
  case $one_time_password in
  '' | *[!A-Za-z0-9]*) fail unseal-failed 'The one-time password was not sealed to the key of the last probe.' ;;
  esac
  rm -f "$key"
  # First what can fail without harm: after adcli the one-time password is dead. Log-ins that fail are completed in a member.
  forget_membership "$domain" >>"$journal" 2>&1 || fail setup-failed "$(complaint)"
  begin_log_in >>"$journal" 2>&1 || fail setup-failed "$(complaint)"
  set_up || set_up_failed
  code=0
  join_domain "$one_time_password" || code=$?
  log_in_code=0
  finish_log_in || log_in_code=$?
  if [ "$code" = 124 ] || [ "$code" = 137 ]; then fail adcli-failed "adcli did not end within 120 seconds: $(complaint)"; fi
  if [ "$code" != 0 ]; then
    # Controllers of Windows Server 2025 change the password, and answer in a way that adcli before 0.9.3 takes for a failure. The
    # password that it made is lost, and would be again.
    if grep -q 'Message stream modified' "$journal"; then fail adcli-too-old "$(complaint)"; fi
    fail adcli-failed "$(complaint)"
  fi
  if [ "$log_in_code" != 0 ]; then fail setup-failed "$(log_in_complaint)"; fi
  unset one_time_password
fi

# From here on sssd is the proof: it finds a controller by itself, and logs on to it with the keytab.
read_membership
if [ "$member_name" != "$computer" ]; then fail adcli-failed "The keytab is that of ${member_name:-nobody}."; fi
# Waiting for longer than this has never helped.
read_clock
latest=$((now + 280))
if [ "$latest" -lt "$deadline" ]; then deadline=$latest; fi
start_sssd || fail not-usable "$(sssd_trouble)"
# An entry of an earlier look must not answer. Of a new membership there was none: it has begun without caches.
[ "$works" = false ] || timeout --foreground -k 1 5 sss_cache -u "$computer\$@$domain" >/dev/null 2>&1 9>&- || :
await_users || fail not-usable "$(sssd_trouble)"
group=''
if [ -n "$GIVEN_LOG_IN_GROUPS$GIVEN_SUDO_GROUPS" ]; then group=$(unknown_group); fi
if [ -n "$group" ]; then fail group-unknown "The domain shows no group $group, so nobody could log in by it."; fi
if registers_name; then
  # A new member has no name in DNS yet.
  if [ "$works" = false ]; then hurry_registration; fi
  await_name || fail name-unregistered "No server of the zone has an address of this node for $fqdn: $(sssd_log)"
fi
# To register, it was told to be offline.
if [ "$told_offline" = true ]; then await_users || fail not-usable "$(sssd_trouble)"; fi
if [ "$result" = already ]; then say already '' "The node is a working member of $domain."; fi
say joined '' "Joined $domain on $controller."
