# Takes this node out of the domain without asking the directory: the worker removes the account by itself. This script needs
# no credential and no network, and may run twice. A node that is about to end needs no reboot after it.
# The document assigns $GivenDomain and $GivenNotAfter.

# Included by the document, as there is nothing beside the script on a node.
. "$PSScriptRoot/../shared/base.ps1"
. "$PSScriptRoot/../shared/machine.ps1"
. "$PSScriptRoot/../shared/membership.ps1"

# A node that is no member any more has what was wanted.
$notJoined = 2692

# What a join has noted, whether it has joined or not. A leave that was killed may have left the domain and not its notes.
function Clear-Note {
  if ((Get-StagedName) -ne '') { Set-StagedName '' }
  if (Test-JoinPending) { Set-JoinPending $false }
}

function Exit-Domain([string] $Domain) {
  # The root volume of an instance can be replaced while its ID stays. A delayed leave would then take the new member, with its new
  # account, out of the domain. So a leave has an expiry time, which is checked after the wait for other commands.
  if ((Get-MachineTime) -ge [long] $GivenNotAfter) { return @('late', 'The time for this leave is over.') }
  Remove-MachineKey
  $member = (Get-Membership).Domain
  if ($member -eq '') {
    Clear-Note
    return @('not-joined', 'The node is not a member of a domain.')
  }
  if ($member -ne $Domain) { return @('foreign-domain', "The node is set up for $member, which is no membership in $Domain.") }
  $code = Exit-MachineDomain
  if ($code -ne 0 -and $code -ne $notJoined) { return @('failed', "NetUnjoinDomain: error $code.") }
  Clear-Note
  if ((Get-Membership).Domain -ne '') { return @('failed', 'The node is still a member of a domain.') }
  return @('left', "The node has left $Domain.")
}

$lock = Open-Lock
try {
  $result = Exit-Domain $GivenDomain.ToLowerInvariant()
  Write-Facts 'leave' ([ordered] @{ result = $result[0]; detail = $result[1] })
} finally { $lock.Dispose() }
exit 0
