#!/bin/sh
# Takes this node out of the domain without asking the directory: the account is removed by the worker, which needs no
# help from here. Needs no credential and no network, and may run twice.
# The document assigns GIVEN_DOMAIN and GIVEN_NOT_AFTER.

# Included by the document, as there is nothing beside the script on a node.
. ../shared/base.sh
. ../shared/membership.sh

say() {
  printf '{"adjoin":1,"document":"leave","result":"%s","detail":"%s"}\n' "$1" "$(clean "$2")"
  exit 0
}

domain=$(lower "$GIVEN_DOMAIN")
open_state
# A root volume can be replaced under the same instance ID. A command that was held up on its way would then take the new
# member out of the domain, with the account that it has just been given. Asked only now, since the wait for other
# commands counts too. A clock that is ahead refuses a leave, which is a courtesy; one that is behind lets through what is
# late by as much. Seconds are no matter: a new life takes longer than that to boot.
if [ "$(date +%s)" -ge "$GIVEN_NOT_AFTER" ]; then say late 'The time for this leave is over.'; fi
rm -f "$key" "$key.new"
read_membership
case $member_domain in
'') say not-joined 'The node is not a member of a domain.' ;;
"$domain") ;;
*) say foreign-domain "The node is set up for $member_domain, which is no membership in $domain." ;;
esac
forget_membership "$domain"
if [ -e "$keytab" ] || [ -n "$(sssd_domains)" ]; then say failed 'Keys or configuration of a domain are still there.'; fi
say left "The node has left $domain."
