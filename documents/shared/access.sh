# Who of the domain may log in, and who may use sudo.
# The document assigns GIVEN_LOG_IN_GROUPS and GIVEN_SUDO_GROUPS, names of groups with colons between them and + for a space, both of
# which may be empty, and GIVEN_GROUP_POLICY, what sssd does with the domain's group policies on log-in.
# Needs base.sh, system.sh and log-in.sh.
# shellcheck disable=SC2154 # the scripts that include this file include base.sh as well

# Prints the groups given, as NSS has them: one a line, in lower case, with the domain.
groups_of() {
  to_lower "$1"
  printf '%s\n' "$lower" | tr ':+' '\n ' | awk -v domain="$domain" '$0 != "" { print $0 "@" domain }'
}

# Sets allowed to the list that sssd lets in: empty for everyone. Those who may use sudo have to log in for it.
read_allowed() {
  allowed=''
  if [ -z "$GIVEN_LOG_IN_GROUPS" ]; then return 0; fi
  allowed=$(groups_of "$GIVEN_LOG_IN_GROUPS:$GIVEN_SUDO_GROUPS" | awk '!seen[$0]++' | paste -s -d ,)
}

# Sets access to lines of sssd.conf. Where groups are named they decide alone; otherwise the account and the domain's group
# policies do.
read_access() {
  read_allowed
  access='access_provider = ad'
  if [ -n "$allowed" ]; then access="access_provider = simple${new_line}simple_allow_groups = $allowed"; fi
  access="$access${new_line}ad_gpo_access_control = $GIVEN_GROUP_POLICY"
}

# SUSE asks for root's password unless it is told not to.
sudoers_lines() {
  if [ -z "$GIVEN_SUDO_GROUPS" ]; then return 0; fi
  groups_of "$GIVEN_SUDO_GROUPS" | sed 's/ /\\ /g; s/.*/Defaults:%& !targetpw\n%& ALL=(ALL:ALL) ALL/'
}

# A file that sudo can't read would keep everyone from using it.
set_up_sudo() {
  if [ -z "$GIVEN_SUDO_GROUPS" ]; then
    remove "$sudoers"
    return
  fi
  lines=$(sudoers_lines) && printf '%s\n' "$lines" >"$work.sudoers" && visudo -c -q -f "$work.sudoers" &&
    put 0440 "$sudoers" "$lines$new_line"
}

# Whether a membership that is there lets in whom it should.
access_configured() {
  read_allowed
  if [ "$(sed -n 's/^simple_allow_groups = //p' "$sssd_conf" 2>/dev/null)" != "$allowed" ]; then return 1; fi
  if [ -z "$GIVEN_SUDO_GROUPS" ]; then [ ! -e "$sudoers" ]; else [ "$(sudoers_lines)" = "$(cat "$sudoers" 2>/dev/null)" ]; fi
}

# Prints the first group that the domain does not have: nobody could log in by it. getent says 2 then; a group of very many members
# may take longer than this waits, and is there.
unknown_group() {
  groups_of "$GIVEN_LOG_IN_GROUPS:$GIVEN_SUDO_GROUPS" | while IFS= read -r group; do
    code=0
    timeout --foreground -k 1 5 getent group "$group" >/dev/null 2>&1 </dev/null 9>&- || code=$?
    if [ "$code" = 2 ]; then
      printf '%s' "$group"
      break
    fi
  done
}

# Adds sudo to what is missing, where it is needed.
find_sudo() {
  if [ -n "$GIVEN_SUDO_GROUPS" ] && ! present visudo; then missing="$missing${missing:+ }sudo"; fi
}
