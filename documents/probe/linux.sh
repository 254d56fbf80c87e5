#!/bin/sh
# Reports what this node is and whether it can join, and makes the key pair that its one-time password will be sealed to.
# Given a challenge, a member also proves which account it has.
# The document assigns GIVEN_CHALLENGE, and what shared/system.sh and shared/packages.sh ask for.

# Included by the document, as there is nothing beside the script on a node.
. ../shared/base.sh
. ../shared/system.sh
. ../shared/packages.sh
. ../shared/membership.sh
. ../shared/proof.sh

open_state
read_system
read_membership

ready=false public=''
# What the join will install is missing still.
if [ -z "$refusal" ] && { [ -z "$missing" ] || { can_install && present openssl; }; }; then
  # A key is for one attempt: a new probe replaces it, so a password that was sealed for an earlier one can't be opened.
  remove "$key" "$key.new"
  # Of three primes (RFC 8017), which are found in a quarter of the time of two: that is a quarter of a second on a node that boots. Older
  # versions of OpenSSL, and those with FIPS 140 on, make two. The key lives until the join, and what it opens is dead then.
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3 -out "$key.new" 2>/dev/null ||
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$key.new" 2>/dev/null
  # What stands between the lines of a PEM file is DER in base64.
  for line in $(openssl pkey -in "$key.new" -pubout); do
    case $line in *[!A-Za-z0-9+/=]* | PUBLIC) ;; *) public=$public$line ;; esac
  done
  mv "$key.new" "$key"
  ready=true
fi

proof=''
if [ -n "$GIVEN_CHALLENGE" ] && [ -n "$member_name" ]; then prove_account "$GIVEN_CHALLENGE"; fi

list=''
for package in $missing; do list="$list${list:+,}\"$package\""; done
facts='"adjoin":1,"document":"probe","family":"linux"'
# Usage: tell NAME TEXT
tell() {
  clean "$2"
  facts="$facts,\"$1\":\"$cleaned\""
}
read_line /proc/sys/kernel/hostname
tell os "$os"
tell osVersion "$os_version"
tell hostName "$first_line"
tell domain "$member_domain"
tell computerName "$member_name"
tell proof "$proof"
tell system "$system"
tell code "$refusal"
tell detail "$detail"
printf '{%s,"ready":%s,"missing":[%s],"key":"%s"}\n' "$facts" "$ready" "$list" "$public"
