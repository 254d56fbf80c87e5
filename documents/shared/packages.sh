# Installs what a join needs where it can be had at launch: from the vendor's bucket through the S3 gateway endpoint, or from the
# repository that the configuration names.
# The document assigns GIVEN_REPOSITORY, a URL that may be empty; its @id@, @version@ and @arch@ stand for the node's own.
# Needs base.sh and system.sh.
# shellcheck disable=SC2154 # the scripts that include this file include base.sh and system.sh as well

repositories=$state/repositories

# Whether a launch can install packages on this system. apt has no way to trust a repository for one command alone.
can_install() {
  case $package_manager in
  dnf | yum | zypper) [ "$package_source" = s3-gateway ] || [ -n "$GIVEN_REPOSITORY" ] ;;
  *) return 1 ;;
  esac
}

# Installs the packages given, in a quarter of the time that the script has. Scripts of packages leave files for everyone to read.
install_packages() {
  # shellcheck disable=SC2046 # no word of the command has a space
  set_up_repository && set -- $(package_command) "$@" || return 1
  (umask 0022 && exec timeout --foreground -k 5 "$((TIME_LIMIT / 4))" "$@" </dev/null 9>&-)
}

# The repository is used alone: without internet, the others would only cost time. Its packages must be signed by a key that the image
# trusts, as the vendor's are.
set_up_repository() {
  rm -rf "$repositories"
  if [ -z "$GIVEN_REPOSITORY" ]; then return 0; fi
  id=$(printf '%s' "$os" | tr -cd 'a-z0-9._-')
  version=$(printf '%s' "${os_version%%.*}" | tr -cd '0-9')
  url=$(printf '%s' "$GIVEN_REPOSITORY" | sed "s/@id@/$id/g; s/@version@/$version/g; s/@arch@/$(uname -m)/g")
  keys=''
  for file in /etc/pki/rpm-gpg/*; do
    [ -f "$file" ] || continue
    keys="$keys${keys:+ }file://$file"
    # Without a person, zypper trusts no new key, or else any that the repository itself brings along. dnf takes those of gpgkey.
    if [ "$package_manager" = zypper ]; then rpm --import "$file" || :; fi
  done
  mkdir "$repositories" &&
    printf '[adjoin]\nname=adjoin\nbaseurl=%s\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=0\ngpgkey=%s\n' "$url" "$keys" \
      >"$repositories/adjoin.repo"
}

# The options are those that dnf 4, dnf5 and yum 3 have in common.
package_command() {
  case $package_manager in
  zypper)
    printf 'zypper --non-interactive --quiet'
    if [ -n "$GIVEN_REPOSITORY" ]; then printf ' --reposd-dir %s' "$repositories"; fi
    printf ' install --no-recommends'
    ;;
  # Only where an image is prepared.
  apt) printf 'env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends install' ;;
  *)
    printf '%s -y -q --setopt=timeout=10 --setopt=retries=3' "$package_manager"
    if [ -n "$GIVEN_REPOSITORY" ]; then printf ' --setopt=reposdir=%s' "$repositories"; fi
    printf ' install'
    ;;
  esac
}
