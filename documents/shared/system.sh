# Which operating system this is, and which packages of a join are missing.
# The document assigns PACKAGES: one line for each operating system, `ID OLDEST package=proof package=proof …`.
# shellcheck disable=SC2034 # the scripts that include this file read what it sets

# Sets os, os_version and missing (package names, space separated); supported says whether PACKAGES knows this system, and its
# version is not too old.
read_system() {
  # shellcheck source=/dev/null
  os=$(. /etc/os-release && printf '%s' "${ID-}")
  # shellcheck source=/dev/null
  os_version=$(. /etc/os-release && printf '%s' "${VERSION_ID-}")
  missing='' supported=false
  needed=$(printf '%s\n' "$PACKAGES" | sed -n "s/^$(printf '%s' "$os" | tr -cd 'a-z0-9._-') //p")
  oldest=${needed%% *}
  needed=${needed#* }
  if [ -n "$oldest" ] && at_least "$os_version" "$oldest"; then supported=true; else needed=''; fi
  for need in $needed; do
    if ! present "${need#*=}"; then missing="$missing${missing:+ }${need%%=*}"; fi
  done
}

# Whether the first version, as 12 or 22.04, is the second one or a later one. A rolling system has none, and is later.
at_least() {
  [ -z "$1" ] || printf '%s %s\n' "$1" "$2" | awk '{
    split($1, given, "."); split($2, least, ".")
    exit given[1] + 0 < least[1] + 0 || (given[1] + 0 == least[1] + 0 && given[2] + 0 < least[2] + 0)
  }'
}

# A proof is a command's name, or an absolute path in which * stands for the architecture.
present() {
  case $1 in
  /*)
    # shellcheck disable=SC2086
    set -- $1
    [ -e "$1" ]
    ;;
  *) command -v "$1" >/dev/null ;;
  esac
}
