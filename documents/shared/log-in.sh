# How users of the domain get into the node: sssd in NSS and PAM, and home directories, by the tool that the system has for it.
# Needs base.sh; to set it up also system.sh, for log_in_tool.
# shellcheck disable=SC2154 # the scripts that include this file include base.sh as well

# What a join has changed here, one thing a line, so that a leave takes back no more than that. Each is noted before it is done.
# A member keeps it for its whole life, so it is on the disk.
log_in_notes=/var/lib/adjoin/log-in
# Not empty while a join is at it.
log_in_unfinished=/var/lib/adjoin/log-in.unfinished
authselect_backups=/var/lib/authselect/backups
authconfig_backup=/var/lib/authconfig/backup-adjoin
nsswitch=/etc/nsswitch.conf
# A name with a dot would not be read.
sudoers=/etc/sudoers.d/adjoin
pam=/etc/pam.d
# What pam-auth-update has made, and what those two of its files were that a join changes.
pam_profiles=/var/lib/pam
pam_kept=/var/lib/adjoin/pam

noted() {
  if [ ! -e "$log_in_notes" ]; then return 1; fi
  while IFS= read -r thing; do
    if [ "$thing" = "$1" ]; then return 0; fi
  done <"$log_in_notes"
  return 1
}

note() {
  if noted "$1"; then return 0; fi
  { [ -d "${log_in_notes%/*}" ] || mkdir -p "${log_in_notes%/*}"; } && printf '%s\n' "$1" >>"$log_in_notes"
}

# Runs a tool, which gets neither the lock nor a terminal. What it writes is for every user to read, unlike what the scripts write.
# A tool takes a second; the time of a leave is short.
log_in_tool_runs() {
  seconds=$((TIME_LIMIT / 4))
  if [ "$seconds" -gt 20 ]; then seconds=20; fi
  (umask 0022 && exec timeout --foreground -k 1 "$seconds" "$@" </dev/null 9>&-)
}

# May be run again: what is there already is left as it is, and so is everything else that an image has selected.
set_up_log_in() {
  case $log_in_tool in
  authselect) set_up_authselect && start_oddjobd ;;
  authconfig) set_up_authconfig && start_oddjobd ;;
  pam-config) set_up_pam_config && set_up_nsswitch ;;
  pam-auth-update) set_up_pam_auth_update ;;
  *) return 1 ;;
  esac
}

# A profile for sssd keeps its features, and a custom one is the image's own business but for home directories. Any other profile is
# replaced, as authselect(8) says it is done where it is not used yet; it keeps what was there as a backup.
set_up_authselect() {
  # The spaces are doubled, so that each word has one before it and one after it.
  case " $(log_in_tool_runs authselect current --raw 2>/dev/null | sed 's/ /  /g' || :) " in
  ' sssd '*' with-mkhomedir '* | ' custom/'*' with-mkhomedir '*) ;;
  ' sssd '* | ' custom/'*)
    note 'authselect with-mkhomedir' && log_in_tool_runs authselect enable-feature with-mkhomedir
    ;;
  *)
    if noted 'authselect sssd' && [ -e "$authselect_backups/adjoin" ]; then
      # An earlier command was killed here. Its backup is the image's state, and another one would not be.
      log_in_tool_runs authselect select sssd with-mkhomedir --force --nobackup
    else
      note 'authselect sssd' && rm -rf "$authselect_backups/adjoin" &&
        log_in_tool_runs authselect select sssd with-mkhomedir --force --backup=adjoin
    fi
    ;;
  esac
}

# Without --nostart, authconfig would start sssd, which has no configuration yet.
set_up_authconfig() {
  if grep -qs '^[^#]*pam_sss\.so' "$pam/system-auth" && grep -qs '^[^#]*mkhomedir' "$pam/system-auth" &&
    ! lacks_sss "$nsswitch"; then
    return 0
  fi
  if ! noted authconfig || [ ! -e "$authconfig_backup" ]; then
    note authconfig && log_in_tool_runs authconfig --savebackup=adjoin || return 1
  fi
  log_in_tool_runs authconfig --update --enablesssd --enablesssdauth --enablemkhomedir --nostart
}

set_up_pam_config() {
  set --
  if ! grep -qs '^[^#]*pam_sss\.so' "$pam/common-auth"; then set -- --sss; fi
  if ! grep -qs '^[^#]*pam_mkhomedir\.so' "$pam/common-session"; then set -- "$@" --mkhomedir; fi
  if [ $# -eq 0 ]; then return 0; fi
  for option in "$@"; do note "pam-config $option" || return 1; done
  log_in_tool_runs pam-config --add "$@"
}

# Debian's packages put sssd into NSS and PAM by themselves, but make no home directories.
set_up_pam_auth_update() {
  if grep -qs '^[^#]*pam_mkhomedir\.so' "$pam/common-session"; then return 0; fi
  note 'pam-auth-update mkhomedir' || return 1
  remove "$pam_kept"
  # What can't be kept is left to the tool, which takes half a second of a processor for it.
  if mkdir -p "$pam_kept"; then cp "$pam/common-session" "$pam_profiles/session" "$pam_kept" || :; fi
  DEBIAN_FRONTEND=noninteractive log_in_tool_runs pam-auth-update --enable mkhomedir
}

# Puts back what pam-auth-update has found, unless anything else than what it was told to add has changed since.
restore_pam() {
  for file in "$pam/common-session" "$pam_profiles/session"; do
    read_text "$pam_kept/${file##*/}" || return 1
    kept=$text
    read_text "$file" || return 1
    rest=$text text=''
    while [ -n "$rest" ]; do
      case ${rest%%"$new_line"*} in
      '#'* | *'#'*mkhomedir*) text=$text${rest%%"$new_line"*}$new_line ;;
      *mkhomedir*) ;;
      *) text=$text${rest%%"$new_line"*}$new_line ;;
      esac
      rest=${rest#*"$new_line"}
    done
    [ "$text" = "$kept" ] || return 1
  done
  for file in "$pam/common-session" "$pam_profiles/session"; do
    read_text "$pam_kept/${file##*/}" && put 0644 "$file" "$text" || return 1
  done
}

# Whether one of the databases that users come from does not ask sssd.
lacks_sss() {
  [ "$(grep -cE '^(passwd|group|shadow):.*[[:space:]]sss([[:space:]]|$)' "$1" 2>/dev/null)" != 3 ]
}

# pam-config leaves NSS alone. A SUSE system of today has the vendor's file elsewhere until someone changes it.
set_up_nsswitch() {
  vendor=/usr/etc/nsswitch.conf
  if [ ! -e "$nsswitch" ] && [ -e "$vendor" ]; then
    note 'nsswitch file' && text=$(cat "$vendor") && put 0644 "$nsswitch" "$text$new_line" || return 1
  fi
  for database in passwd group shadow; do
    if grep -qsE "^$database:.*[[:space:]]sss([[:space:]]|\$)" "$nsswitch"; then continue; fi
    note "nsswitch $database" &&
      text=$(awk -v database="$database:" '$1 == database { sub(/[ \t]*$/, " sss") } { print }' "$nsswitch") &&
      put 0644 "$nsswitch" "$text$new_line" || return 1
  done
  refresh_nscd
}

# It would go on asking whom it has asked until now.
refresh_nscd() {
  if has_systemd; then log_in_tool_runs systemctl --no-ask-password try-restart nscd >/dev/null 2>&1 || :; fi
}

# pam_oddjob_mkhomedir asks it for home directories.
start_oddjobd() {
  if ! has_systemd || log_in_tool_runs systemctl is-enabled --quiet oddjobd; then return 0; fi
  note oddjobd && log_in_tool_runs systemctl --no-ask-password enable --now oddjobd
}

# Takes back what the notes say. May be killed and run again: the notes go last.
restore_log_in() {
  remove "$sudoers"
  if [ ! -e "$log_in_notes" ]; then
    remove "$log_in_unfinished"
    return
  fi
  if noted oddjobd && has_systemd; then
    log_in_tool_runs systemctl --no-ask-password disable --now oddjobd || return 1
  fi
  if noted 'authselect with-mkhomedir'; then
    log_in_tool_runs authselect disable-feature with-mkhomedir || return 1
  fi
  if noted 'authselect sssd' && [ -e "$authselect_backups/adjoin" ]; then
    log_in_tool_runs authselect backup-restore adjoin && rm -rf "$authselect_backups/adjoin" || return 1
  fi
  if noted authconfig && [ -e "$authconfig_backup" ]; then
    log_in_tool_runs authconfig --restorebackup=adjoin && rm -rf "$authconfig_backup" || return 1
  fi
  for option in --sss --mkhomedir; do
    if noted "pam-config $option"; then log_in_tool_runs pam-config --delete "$option" || return 1; fi
  done
  if noted 'pam-auth-update mkhomedir' && ! restore_pam; then
    DEBIAN_FRONTEND=noninteractive log_in_tool_runs pam-auth-update --disable mkhomedir || return 1
  fi
  if noted 'nsswitch file'; then
    rm -f "$nsswitch"
  else
    for database in passwd group shadow; do
      if ! noted "nsswitch $database"; then continue; fi
      text=$(awk -v database="$database:" '$1 == database { gsub(/[ \t]+sss([ \t]|$)/, " "); sub(/ $/, "") } { print }' \
        "$nsswitch") && put 0644 "$nsswitch" "$text$new_line" || return 1
    done
  fi
  if grep -qs '^nsswitch ' "$log_in_notes"; then refresh_nscd; fi
  rm -rf "$pam_kept" "$log_in_unfinished" "$log_in_notes"
}
