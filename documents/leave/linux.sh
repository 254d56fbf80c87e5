#!/bin/sh
# Takes this node out of the domain without asking the directory: the account is removed by the worker, which needs no
# help from here. Needs no credential and no network, and may run twice.
# The document assigns GIVEN_DOMAIN.

# Included by the document, as there is nothing beside the script on a node.
. ../shared/base.sh
. ../shared/membership.sh

say() {
  printf '{"adjoin":1,"document":"leave","result":"%s","detail":"%s"}\n' "$1" "$(clean "$2")"
  exit 0
}

domain=$(lower "$GIVEN_DOMAIN")
open_state
rm -f "$key" "$key.new"
read_membership
case $member_domain in
'') say not-joined 'The node is not a member of a domain.' ;;
"$domain") ;;
*) say foreign-domain "The node is a member of $member_domain, not of $domain." ;;
esac
forget_membership "$domain"
read_membership
if [ -n "$member_domain" ]; then say failed "The node is still configured for $member_domain."; fi
say left "The node has left $domain."
