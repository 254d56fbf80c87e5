#!/bin/sh
# Prepares the image that an Auto Scaling group starts: installs the packages of a join and the SSM agent, and removes what two
# instances must not have in common: a membership with its keys and caches, the machine ID, the host keys. It runs on an instance
# that the image is then made from, which must not be rebooted in between. It may run twice.
# The document assigns GIVEN_REGION, and what the files that it includes ask for.

# Included by the document, as there is nothing beside the script on a node.
. ../shared/base.sh
. ../shared/system.sh
. ../shared/packages.sh
. ../shared/membership.sh
. ../shared/log-in.sh

fail() {
  printf 'adjoin: %s\n' "$1" >&2
  exit 1
}

installed=''
# Usage: install NAME…
install() {
  if [ "$package_manager" = apt ] && [ -z "$installed" ]; then
    timeout --foreground -k 5 300 apt-get -q update >"$journal" 2>&1 </dev/null 9>&- ||
      fail "apt-get does not reach its repositories: $(tail -n 1 "$journal")"
  fi
  install_packages "$@" >"$journal" 2>&1 || fail "$package_manager did not install $*: $(tail -n 1 "$journal")"
  installed="$installed $*"
}

# AWS keeps the agent in each Region; it has no other repository.
agent_package() {
  case $package_manager-$(uname -m) in
  apt-aarch64) place=debian_arm64/amazon-ssm-agent.deb ;;
  apt-*) place=debian_amd64/amazon-ssm-agent.deb ;;
  *-aarch64) place=linux_arm64/amazon-ssm-agent.rpm ;;
  *) place=linux_amd64/amazon-ssm-agent.rpm ;;
  esac
  printf 'https://s3.%s.amazonaws.com/amazon-ssm-%s/latest/%s' "$GIVEN_REGION" "$GIVEN_REGION" "$place"
}

install_agent() {
  if present amazon-ssm-agent || present /snap/amazon-ssm-agent; then return 0; fi
  if [ "$package_source" = s3-gateway ]; then
    install amazon-ssm-agent
  elif [ "$package_manager" = apt ]; then
    file=$state/amazon-ssm-agent.deb
    /usr/lib/apt/apt-helper download-file "$(agent_package)" "$file" >"$journal" 2>&1 ||
      fail "The SSM agent can't be downloaded: $(tail -n 1 "$journal")"
    install "$file"
  else
    install "$(agent_package)"
  fi
  if has_systemd; then systemctl --no-ask-password enable amazon-ssm-agent >/dev/null 2>&1 || :; fi
}

# In lower case, as read_membership has it. What a join of others has left goes, too: an image with a key is a member everywhere.
remove_memberships() {
  stop_sssd
  restore_log_in >"$journal" 2>&1 || fail "The log-in set-up from before the join is not restored: $(tail -n 1 "$journal")"
  read_sssd_domains
  for name in $(printf '%s' "$sssd_domains" | sed 's/ .*//'); do to_lower "$name" && forget_in_sssd "$lower"; done
  forget_membership ''
  rm -rf /var/lib/adjoin
}

# An empty machine ID is filled in at the next boot; cloud-init makes host keys and sets the name.
remove_identity() {
  rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /etc/hostname /var/lib/cloud/data/previous-hostname
  : >/etc/machine-id
  if [ -e /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then rm -f /var/lib/dbus/machine-id; fi
  hosts=$(grep -v '^127\.0\.1\.1[[:space:]]' /etc/hosts) || :
  put 0644 /etc/hosts "$hosts$new_line"
}

open_state
journal=$state/prepare-image.log
trap 'rm -f "$key" "$key.new" "$journal" "$state/amazon-ssm-agent.deb"' EXIT
trap 'exit 1' HUP INT TERM
read_system
if [ -n "$refusal" ]; then fail "$detail"; fi
# shellcheck disable=SC2086 # names without spaces
if [ -n "$missing" ]; then install $missing; fi
find_missing
if [ -n "$missing" ]; then fail "Still missing on $system: $missing"; fi
install_agent
remove_memberships
remove_identity
clean "${installed# }"
printf '{"adjoin":1,"document":"prepare-image","result":"prepared","system":"%s","installed":"%s"}\n' "$system" "$cleaned"
