#!/bin/sh
# Takes this node out of the domain without asking the directory: the worker removes the account by itself. This script needs
# no credential and no network, and may run twice.
# The document assigns GIVEN_DOMAIN and GIVEN_NOT_AFTER.

# Included by the document, as there is nothing beside the script on a node.
. ../shared/base.sh
. ../shared/membership.sh
. ../shared/log-in.sh

say() {
  clean "$2"
  printf '{"adjoin":1,"document":"leave","result":"%s","detail":"%s"}\n' "$1" "$cleaned"
  exit 0
}

to_lower "$GIVEN_DOMAIN"
domain=$lower
open_state
# The root volume of an instance can be replaced while its ID stays. A delayed leave would then take the new member, with its
# new account, out of the domain. So a leave has an expiry time. It is checked only now, after the wait for other commands.
# A clock that is ahead refuses a leave, which is best effort anyway; one that is behind accepts a leave that is late by as
# much. A few seconds do not matter: a new system takes longer than that to boot.
if [ "$(date +%s)" -ge "$GIVEN_NOT_AFTER" ]; then say late 'The time for this leave is over.'; fi
remove "$key" "$key.new"
read_membership
case $member_domain in
'') say not-joined 'The node is not a member of a domain.' ;;
"$domain") ;;
*) say foreign-domain "The node is set up for $member_domain, which is no membership in $domain." ;;
esac
# Before the membership, which tells the next command that there is something to do.
log_in=restored
restore_log_in >/dev/null 2>&1 || log_in=unrestored
forget_membership "$domain"
read_sssd_domains
if [ -e "$keytab" ] || [ -n "$sssd_domains" ]; then say failed 'Keys or configuration of a domain are still there.'; fi
if [ "$log_in" != restored ]; then say failed 'The log-in set-up from before the join is not restored.'; fi
say left "The node has left $domain."
