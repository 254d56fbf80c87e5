# How a member proves which account it has: it registers a name in DNS as its own machine, and the directory notes the account
# that did. Nobody can do that without the account's key, whatever else a node says of itself.
# Needs base.sh and membership.sh.
# shellcheck disable=SC2034,SC2154 # the scripts that include this file read what it sets, and include base.sh

# Sets proof to what came of it, for people: nsupdate fails when it does not like the signature of an answer that says yes, so the
# worker looks into the directory itself.
prove_account() {
  cache=$state/proof.ccache
  journal=$state/proof.log
  rm -f "$cache"
  to_upper "$member_domain"
  realm=$upper
  proof=registered
  {
    KRB5CCNAME=FILE:$cache timeout --foreground -k 1 10 kinit -k "$member_name\$@$realm" </dev/null 9>&- &&
      printf 'update add %s.%s 300 TXT "adjoin"\nsend\n' "$1" "$member_domain" |
      KRB5CCNAME=FILE:$cache timeout --foreground -k 1 15 nsupdate -g 9>&-
  } >"$journal" 2>&1 || proof="failed: $(head -n 1 "$journal")"
  rm -f "$cache" "$journal"
}
