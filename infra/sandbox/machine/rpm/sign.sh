#!/bin/sh
# Signs the packages that rpm-system.sh has made with a new key, and writes the index of the repository anew. The key is in
# /root/RPM-GPG-KEY-fleet afterwards; an image that has it in /etc/pki/rpm-gpg trusts it.
set -eu
GNUPGHOME=/root/gnupg
export GNUPGHOME
mkdir -m 0700 $GNUPGHOME
{
  gpg --batch --quiet --passphrase '' --quick-generate-key 'Fleet <fleet@example.test>' rsa2048 sign never
  rpmsign --addsign --define '__gpg /usr/bin/gpg' --define '_gpg_name Fleet' --define "_gpg_path $GNUPGHOME" /root/rpm/RPMS/*/*.rpm
  gpg --export --armor >/root/RPM-GPG-KEY-fleet
  gpgconf --kill all
  createrepo_c --quiet /root/rpm/RPMS
} >/root/sign.log 2>&1 </dev/null || {
  tail -n 20 /root/sign.log >&2
  exit 1
}
rm -rf $GNUPGHOME
