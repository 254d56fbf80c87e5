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
  rm -f "$key" "$key.new"
  openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$key.new" 2>/dev/null ||
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$key.new" 2>/dev/null
  public=$(openssl pkey -in "$key.new" -pubout -outform DER | base64 -w 0)
  mv "$key.new" "$key"
  ready=true
fi

proof=''
if [ -n "$GIVEN_CHALLENGE" ] && [ -n "$member_name" ]; then prove_account "$GIVEN_CHALLENGE"; fi

list=''
for package in $missing; do list="$list${list:+,}\"$package\""; done
printf '{"adjoin":1,"document":"probe","family":"linux","os":"%s","osVersion":"%s","hostName":"%s","domain":"%s","computerName":"%s","ready":%s,"missing":[%s],"key":"%s","proof":"%s","system":"%s","code":"%s","detail":"%s"}\n' \
  "$(clean "$os")" "$(clean "$os_version")" "$(clean "$(hostname)")" "$(clean "$member_domain")" "$(clean "$member_name")" \
  "$ready" "$list" "$public" "$(clean "$proof")" "$(clean "$system")" "$refusal" "$(clean "$detail")"
