# Which operating system this is, and which packages of a join are missing.
# The document assigns PACKAGES: one line for each operating system, `ID package=proof package=proof …`.
# shellcheck disable=SC2034 # the scripts that include this file read what it sets

# Sets os, os_version and missing (package names, space separated); supported says whether PACKAGES knows this system.
read_system() {
  # shellcheck source=/dev/null
  os=$(. /etc/os-release && printf '%s' "${ID-}")
  # shellcheck source=/dev/null
  os_version=$(. /etc/os-release && printf '%s' "${VERSION_ID-}")
  missing='' supported=false
  needed=$(printf '%s\n' "$PACKAGES" | sed -n "s/^$(printf '%s' "$os" | tr -cd 'a-z0-9._-') //p")
  if [ -n "$needed" ]; then supported=true; fi
  for need in $needed; do
    if ! present "${need#*=}"; then missing="$missing${missing:+ }${need%%=*}"; fi
  done
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
