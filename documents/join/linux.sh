#!/bin/sh
# Joins this node to the domain with the one-time password of its staged computer account, on the domain controller
# that staged it, and verifies the result.
# The document assigns GIVEN_DOMAIN, GIVEN_CONTROLLER and GIVEN_ENTRIES, the JSON text of a list of
# `instance-ID:computer-name:sealed-one-time-password`.
#
# It may be killed at any point and run again. A working membership is never joined again, because the one-time password is
# dead after its first use; only what is missing around the membership is completed.

# Included by the document, as there is nothing beside the script on a node.
. ../shared/base.sh
. ../shared/system.sh
. ../shared/membership.sh

say() {
  printf '{"adjoin":1,"document":"join","result":"%s","code":"%s","domain":"%s","computerName":"%s","detail":"%s"}\n' \
    "$1" "$2" "$domain" "$computer" "$(clean "$3")"
  exit 0
}
fail() { say failed "$1" "$2"; }

domain=$(lower "$GIVEN_DOMAIN")
controller=$(lower "$GIVEN_CONTROLLER")
computer=''

open_state
# The key is for this attempt only, however it ends. The journal has the output of the tools, never a secret.
work=$state/join
journal=$state/join.log
trap 'rm -rf "$key" "$key.new" "$journal" "$work" "$sssd_conf.adjoin"' EXIT
trap 'exit 1' HUP INT TERM
rm -rf "$work"
: >"$journal"

# This node's entry, and only this node's.
instance=${AWS_SSM_INSTANCE_ID-}
case $instance in
i-*[!0-9a-f]* | i- | '') fail no-entry 'The SSM agent did not say which instance this is.' ;;
i-*) ;;
*) fail no-entry 'The SSM agent named something that is not an instance.' ;;
esac
entry=$(printf '%s' "$GIVEN_ENTRIES" | tr -d '[]" ' | tr ',' '\n' | grep "^$instance:" || :)
case $entry in
'') fail no-entry "No entry for $instance." ;;
*'
'*) fail no-entry "More than one entry for $instance." ;;
esac
sealed=${entry##*:}
computer=${entry#*:}
computer=${computer%%:*}
host=$(lower "$computer")
fqdn=$host.$domain

read_system
if [ "$supported" != true ] || [ -n "$missing" ]; then
  fail packages-missing "Packages missing on $os $os_version: ${missing:-this system is not supported}"
fi

read_membership
if [ -n "$member_domain" ] && [ "$member_domain" != "$domain" ]; then
  fail foreign-domain "The node is set up for $member_domain, which is no membership in $domain."
fi

account_works() {
  timeout --foreground -k 1 15 adcli testjoin --domain="$domain" --domain-controller="$controller" >>"$journal" 2>&1 9>&-
}

# Ignores case: realm writes the name as the domain controller spells it.
configured() {
  grep -qsiF "[domain/$domain]" "$sssd_conf" && grep -qs '^dyndns_update = ' "$sssd_conf" &&
    [ "$(hostname)" = "$host" ]
}

set_host_name() {
  printf '%s\n' "$host" >/etc/hostname.adjoin
  chmod 0644 /etc/hostname.adjoin
  mv /etc/hostname.adjoin /etc/hostname
  hostname "$host"
  if has_systemd; then
    timeout --foreground -k 1 5 hostnamectl --no-ask-password set-hostname "$host" >>"$journal" 2>&1 9>&- || :
  fi
  # Distributions use 127.0.1.1 for a host's own name: the name then resolves before DNS knows it.
  { grep -v '^127\.0\.1\.1[[:space:]]' /etc/hosts || :; printf '127.0.1.1 %s %s\n' "$fqdn" "$host"; } >/etc/hosts.adjoin
  chmod 0644 /etc/hosts.adjoin
  # In a container the file may be a mount, which can't be replaced; then it is written in place.
  mv /etc/hosts.adjoin /etc/hosts 2>/dev/null || { cat /etc/hosts.adjoin >/etc/hosts; rm -f /etc/hosts.adjoin; }
}

# `realm join` takes a one-time password only as an argument, which every user of the node could read. But realmd passes it
# to adcli on standard input. So realm gets a placeholder, and a small script is mounted over adcli: it runs adcli with the pipe
# that the first process here was started with, where the real password is. The mount and PID namespaces end with the join:
# nothing stays mounted, and nothing goes on running when the script is killed.
# With the word `keep` in place of `join`, adcli does not run at all: the account works, and only the rest is set up.
# shellcheck disable=SC2016
joiner='
  set -eu
  exec 3<&0 </dev/null
  mount -t tmpfs -o mode=0700,nosuid,nodev,size=64k adjoin "$5"
  : >"$5/adcli"
  mount --bind "$4" "$5/adcli"
  if [ "$1" = keep ]; then
    printf "#!/bin/sh\ncat >/dev/null\n" >"$5/cover"
  else
    printf "#!/bin/sh\ncat >/dev/null\nexec %s/adcli \"\$@\" </proc/1/fd/3\n" "$5" >"$5/cover"
  fi
  chmod 0700 "$5/cover"
  mount --bind "$5/cover" "$4"
  code=0
  timeout --foreground -k 2 45 realm --install=/ join --verbose --unattended --one-time-password=sealed --computer-name="$2" \
    --membership-software=adcli --client-software=sssd "$3" || code=$?
  exit "$code"'

run_realm() {
  mkdir -m 0700 "$work"
  printf '%s' "$2" |
    unshare --mount --pid --fork --kill-child --mount-proc --propagation private sh -c "$joiner" adjoin "$1" "$computer" "$controller" \
      "$(command -v adcli)" "$work" >>"$journal" 2>&1 9>&-
}

# The first line in which a tool reports an error; realm only repeats adcli's error in other words.
complaint() {
  { grep -E '^( ! |adcli: |realm: |mount: |unshare: )' "$journal" || tail -n 1 "$journal"; } | head -n 1
}

# realm pins sssd to the domain controller that it was given. The join needs that one; afterwards the node must find any.
# Without an offset of 0, sssd may register the node's address only 5 minutes later. Records in reverse zones, which sssd
# registers by default, would stay when the account and its addresses are removed.
# The steps are chained with &&, because `set -e` has no effect in a function whose result is tested.
finish_sssd_conf() {
  awk -v section="[domain/$domain]" -v fqdn="$fqdn" '
    /^\[/ { inside = (tolower($0) == section) }
    inside && /^(ad_server|ad_hostname|dyndns_[a-z_]+) *=/ { next }
    { print }
    inside && /^\[/ {
      found = 1
      print "ad_hostname = " fqdn
      print "dyndns_update = True"
      print "dyndns_update_ptr = False"
      print "dyndns_refresh_interval_offset = 0"
    }
    END { exit !found }' "$sssd_conf" >"$sssd_conf.adjoin" &&
    chmod 0600 "$sssd_conf.adjoin" &&
    mv "$sssd_conf.adjoin" "$sssd_conf"
}

# Without systemd, sssd is started as a daemon in a session of its own, with none of the command's files open.
start_sssd() {
  if has_systemd; then
    timeout --foreground -k 1 15 systemctl --no-ask-password enable --now sssd >>"$journal" 2>&1 9>&- || return 1
  elif ! sssd_pid >/dev/null; then
    rm -f /run/sssd.pid
    (cd / && umask 0022 && setsid sssd -D </dev/null >/dev/null 2>&1 9>&-) || return 1
  fi
  # sssd writes its process ID when its providers and responders have answered: at most 10 seconds here.
  tries=0
  while ! { sssd_pid >/dev/null && [ -S /var/lib/sss/pipes/nss ]; }; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ]; then return 1; fi
    sleep 0.05
  done
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
  *) fail realm-failed "$(complaint)" ;;
  esac
  : >"$journal"
fi
if [ "$works" = true ] && configured && sssd_pid >/dev/null; then
  say already '' "The node is a working member of $domain."
fi

if [ "$works" = true ]; then
  if ! configured; then
    stop_sssd
    forget_in_sssd "$domain"
    set_host_name
    run_realm keep '' || fail realm-failed "$(complaint)"
    rm -rf "$work"
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
  forget_membership "$domain"
  set_host_name
  run_realm join "$one_time_password" || fail realm-failed "$(complaint)"
  unset one_time_password
  rm -rf "$work"
fi

finish_sssd_conf || fail verify-failed 'realm left no configuration for sssd.'
account_works || fail verify-failed "$(complaint)"
read_membership
if [ "$member_name" != "$computer" ]; then fail verify-failed "The keytab is that of ${member_name:-nobody}."; fi
start_sssd || fail verify-failed 'sssd does not start.'
say joined '' "Joined $domain on $controller."
