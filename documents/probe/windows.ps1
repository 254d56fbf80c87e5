# Reports what this node is and whether it can join, and makes the key pair that its one-time password will be sealed to.
# Given a challenge, a member also proves which account it has.
# The document assigns $GivenChallenge and $GivenSystem.

# Included by the document, as there is nothing beside the script on a node.
. "$PSScriptRoot/../shared/base.ps1"
. "$PSScriptRoot/../shared/machine.ps1"
. "$PSScriptRoot/../shared/seal.ps1"
. "$PSScriptRoot/../shared/system.ps1"
. "$PSScriptRoot/../shared/membership.ps1"

# A node that has not started again since its join is no member yet: nothing must adopt it.
function Get-ShownMembership($Membership) {
  if ($Membership.Pending -or $Membership.Domain -eq '') { return @{ Domain = ''; Name = '' } }
  return @{ Domain = $Membership.Domain; Name = $Membership.Name }
}

# What came of the proof, for people; empty where none is asked for. A member registers a name in DNS as its own machine, which takes its
# account's key, and the directory notes the account that did. The worker looks there, and does not believe what is said here.
function Get-Proof([string] $Domain) {
  if ($GivenChallenge -eq '' -or $Domain -eq '') { return '' }
  $status = Register-MachineText "$GivenChallenge.$Domain" 'adjoin'
  if ($status -ne 0) { return "failed: DNS update, error $status" }
  return 'registered'
}

$lock = Open-Lock
try {
  $system = Get-MachineSystem
  $shown = Get-ShownMembership (Get-Membership)
  $renamedBy = Get-Renaming
  $refusal = Get-Refusal $system
  $ready = $refusal.Code -eq '' -and $renamedBy -eq ''
  $public = ''
  if ($ready) {
    # A key is for one attempt: a new probe replaces it, so a password that was sealed for an earlier one can't be opened.
    Remove-MachineKey
    $public = [AdjoinSeal]::PublicKey((New-MachineKey))
  }
  Write-Facts 'probe' ([ordered] @{
      family = 'windows'
      os = $system.Product
      osVersion = '10.0.' + $system.Build
      hostName = Get-MachineName $false
      domain = $shown.Domain
      computerName = $shown.Name
      ready = $ready
      missing = @()
      renamedBy = $renamedBy
      key = $public
      proof = Get-Proof $shown.Domain
      system = $(if ($refusal.Code -eq '') { 'Windows Server' } else { '' })
      code = $refusal.Code
      detail = $refusal.Detail
    })
} finally { $lock.Dispose() }
exit 0
