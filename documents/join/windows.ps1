# Joins this node to the domain with the one-time password of its staged computer account, on the domain controller that staged it,
# and verifies the result.
# The document assigns $GivenDomain, $GivenController, $GivenSystem, and $GivenEntries, the JSON text of a list of
# `instance-ID:computer-name:sealed-one-time-password`. What else it assigns is for Linux.
#
# The SSM agent runs it twice, with a reboot in between, which exit code 3010 asks for:
#
#   first:  open the password ─▶ delete the key ─▶ mark the join as pending, until the reboot ─▶ note that the password is the staged
#           one ─▶ rename ─▶ NetJoinDomain ─▶ 3010, without facts
#   second: secure channel to the staging controller ─▶ change the password ─▶ delete the note ─▶ secure channel to a controller of the
#           node's own choice ─▶ resolve the own account ─▶ name in DNS ─▶ facts
#
# It may be killed at any point and run again. A membership that works is never joined again; only what is missing is completed.
# NetJoinDomain leaves the staged password in place, so that the worker sees a change of it only from a node that has started as a
# member.

# Included by the document, as there is nothing beside the script on a node.
. "$PSScriptRoot/../shared/base.ps1"
. "$PSScriptRoot/../shared/machine.ps1"
. "$PSScriptRoot/../shared/seal.ps1"
. "$PSScriptRoot/../shared/system.ps1"
. "$PSScriptRoot/../shared/membership.ps1"

# NetJoinDomain: JOIN_DOMAIN, JOIN_UNSECURE (as the account itself), MACHINE_PWD_PASSED, JOIN_WITH_NEW_NAME.
$joinOptions = 0x4C1
# DOMAIN_JOIN_IF_JOINED: a member whose account was staged again joins again.
$joinAgain = 0x20
# JOIN_READONLY: the account as it is. Windows writes nothing to it, neither names nor attributes, all of which are staged.
$readOnly = 0x800
# The join would have written to the account: access denied, account exists, use of it blocked (KB5020276).
$wouldWrite = 5, 2224, 2732
# I_NetLogonControl2.
$rediscover = 5
$changePassword = 9
$verify = 10
# What the agent takes for "restart, and run this step again".
$restart = 3010
# Seconds that Windows has to register its name without being told.
$ownRegistration = 20
# Seconds between looks at what takes a moment; a busy controller is not asked more often.
$pause = 3

# The controller refuses the password: the account was staged again, is another one, or is gone. Anything else may pass.
$refusals = 5, 1317, 1326, 1331, 1786, 1787, 1788, 1789
# No controller was reached: no such domain, no logon server, RPC server not there, busy.
$passing = 1311, 1355, 1722, 1723, 53, 64, 121
$meanings = @{
  5 = 'access is denied'
  53 = 'the controller can not be reached'
  1311 = 'no logon server is available'
  1326 = 'the one-time password or the account is wrong'
  1331 = 'the account is disabled'
  1355 = 'the domain or its controller is not found'
  1722 = 'the RPC server is not available'
  1792 = 'Netlogon does not run'
  1909 = 'the account is locked out'
  2224 = 'the account exists already'
  2691 = 'the machine is joined already'
  2732 = 'an account of this name may not be used again (KB5020276)'
}

function Get-ErrorText([string] $Call, [int] $Code) {
  $meaning = if ($meanings.ContainsKey($Code)) { $meanings[$Code] } else { 'see the Windows error codes' }
  return "${Call}: error $Code, $meaning."
}

# This node's entry, and only this node's: computer name and sealed password, or why there is none.
function Get-Entry([string] $Entries, [string] $Instance) {
  if ($Instance -cnotmatch '^m?i-[0-9a-f]+$') { return @{ Trouble = 'The SSM agent did not say which instance this is.' } }
  $own = @($Entries -replace '[\[\]" ]', '' -split ',' | Where-Object { $_.StartsWith("${Instance}:") })
  if ($own.Count -ne 1) { return @{ Trouble = "$($own.Count) entries for $Instance." } }
  $parts = $own[0].Split(':')
  return @{ Trouble = ''; Computer = $parts[1]; Sealed = $parts[2] }
}

# What comes next: `foreign`, `join`, `restart`, `check` or `no-key`.
function Select-Step($Membership, [string] $Domain, [string] $Computer, [bool] $HasKey) {
  $joined = $Membership.Domain -eq $Domain -and $Membership.Name -eq $Computer
  if ($Membership.Domain -ne '' -and $Membership.Domain -ne $Domain) { return 'foreign' }
  if ($joined -and -not $Membership.Pending) { return 'check' }
  # With a key the account was staged once more since that join.
  if ($HasKey) { return 'join' }
  if ($joined) { return 'restart' }
  return 'no-key'
}

# What a status of the secure channel means: `works`, `refused` or `unknown`.
function Select-Channel([int] $Status) {
  if ($Status -eq 0) { return 'works' }
  if ($refusals -contains $Status) { return 'refused' }
  return 'unknown'
}

# The last step of netsetup.log that failed, without its time.
function Get-Netsetup {
  $path = Join-Path $env:SystemRoot 'debug\netsetup.log'
  if (-not (Test-Path -LiteralPath $path)) { return '' }
  $bad = @(Get-Content -LiteralPath $path -Tail 200 | Where-Object { $_ -match 'status:? 0x0*[1-9a-f]' })
  if ($bad.Count -eq 0) { return '' }
  return ' netsetup.log: ' + ($bad[-1] -replace '^\d\d/\d\d/\d{4} \d\d:\d\d:\d\d(:\d+)? ', '')
}

# Looks until it is so, or the time is over; answers whether it is.
function Wait-For([long] $Latest, [scriptblock] $Condition) {
  while (-not (& $Condition)) {
    if ((Get-MachineTime) -ge $Latest) { return $false }
    Wait-Machine $pause
  }
  return $true
}

function Write-Result([string] $Result, [string] $Code, [string] $Detail) {
  Write-Facts 'join' ([ordered] @{
      result = $Result; code = $Code; domain = $domain; computerName = $computer; detail = $Detail
    })
  return 0
}

# Answers with the exit code.
function Join-Domain($Entry, $Membership) {
  $options = $joinOptions
  if ($Membership.Domain -ne '') { $options = $options -bor $joinAgain }
  $key = Get-MachineKey
  $state = @{ Call = 'NetJoinDomain'; Code = 0 }
  $use = {
    param([IntPtr] $password)
    # From here on the key is of no use. What says that a join has begun comes ahead of it.
    Remove-MachineKey
    Set-JoinPending $true
    Set-StagedName $computer
    Disable-ReverseRegistration
    $state.Code = Rename-Machine $computer.ToLowerInvariant()
    if ($state.Code -ne 0) {
      $state.Call = 'SetComputerNameEx'
      return 1
    }
    $null = Wait-For $deadline {
      $state.Code = Join-Machine $domain $controller $password $options
      $passing -notcontains $state.Code
    }
    # Once more without writing. If that fails too, the first reason is the one that tells.
    if ($wouldWrite -contains $state.Code -and (Join-Machine $domain $controller $password ($options -bor $readOnly)) -eq 0) {
      $state.Code = 0
    }
    return 1
  }
  if ([AdjoinSeal]::Open($key, $Entry.Sealed, $use) -eq -1) {
    return Write-Result 'failed' 'unseal-failed' 'The one-time password was not sealed to the key of the last probe.'
  }
  if ($state.Code -ne 0) {
    return Write-Result 'failed' 'netjoindomain-failed' ((Get-ErrorText $state.Call $state.Code) + (Get-Netsetup))
  }
  return $restart
}

# The secure channel, as the staging controller sees it: `works`, `refused` or `unknown`. The account may be nowhere else yet.
function Get-Channel {
  $null = Wait-For $deadline {
    $script:seen = Invoke-Netlogon $rediscover "$domain\$controller"
    if ($script:seen.Status -eq 0) { $script:seen = Invoke-Netlogon $verify $domain }
    (Select-Channel $script:seen.Status) -ne 'unknown'
  }
  return Select-Channel $script:seen.Status
}

# Whether a controller that Netlogon finds by itself knows the account, and names it.
function Test-Usable {
  $script:seen = Invoke-Netlogon $rediscover $domain
  if ($script:seen.Status -eq 0) { $script:seen = Invoke-Netlogon $verify $domain }
  return $script:seen.Status -eq 0 -and (Test-MachineAccount $domain $computer)
}

function Test-Named {
  $own = @(Get-MachineAddress)
  foreach ($server in @($script:seen.Controller, $controller | Where-Object { $_ -ne '' } | Select-Object -Unique)) {
    foreach ($address in @(Resolve-MachineName "$computer.$domain".ToLowerInvariant() $server)) {
      if ($own -contains $address) { return $true }
    }
  }
  return $false
}

# A member that has started: changes the password if it is still the staged one, and proves that the membership can be used.
function Complete-Join {
  $result = 'already'
  if ((Get-StagedName) -eq $computer) {
    $null = Wait-For $deadline {
      $script:seen = Invoke-Netlogon $changePassword $domain
      $passing -notcontains $script:seen.Status
    }
    if ($script:seen.Status -ne 0) {
      return Write-Result 'failed' 'password-not-changed' (Get-ErrorText 'Password change by Netlogon' $script:seen.Status)
    }
    Set-StagedName ''
    $result = 'joined'
  }
  if (-not (Wait-For $deadline { Test-Usable })) {
    return Write-Result 'failed' 'not-usable' (Get-ErrorText 'Secure channel' $script:seen.Status)
  }
  if (Test-Registering) {
    # Windows registers it by itself, soon after its start. Registered on two controllers before they have replicated, it would leave
    # a conflict object in the zone.
    if (-not (Wait-For ((Get-MachineTime) + $ownRegistration) { Test-Named })) { Register-Machine }
    $latest = [Math]::Min($deadline, (Get-MachineTime) + 120)
    if (-not (Wait-For $latest { Test-Named })) {
      $name = "$computer.$domain".ToLowerInvariant()
      return Write-Result 'failed' 'name-unregistered' "No server of the zone has an address of this node for $name."
    }
  }
  $said = if ($result -eq 'joined') { "Joined $domain on $controller." } else { "The node is a working member of $domain." }
  return Write-Result $result '' $said
}

# Answers with the exit code.
function Invoke-Join {
  $entry = Get-Entry $GivenEntries ([string] $env:AWS_SSM_INSTANCE_ID)
  if ($entry.Trouble -ne '') { return Write-Result 'failed' 'no-entry' $entry.Trouble }
  $script:computer = $entry.Computer
  $refusal = Get-Refusal (Get-MachineSystem)
  if ($refusal.Code -ne '') { return Write-Result 'failed' $refusal.Code $refusal.Detail }
  $membership = Get-Membership
  $key = Get-MachineKey
  $step = Select-Step $membership $domain $computer ($null -ne $key)
  if ($step -eq 'check') {
    switch (Get-Channel) {
      'works' { return Complete-Join }
      'unknown' { return Write-Result 'failed' 'netlogon-failed' (Get-ErrorText 'Secure channel' $script:seen.Status) }
    }
    # Unknown is not refused: a membership that may still work is not joined again.
    $step = if ($null -ne $key) { 'join' } else { 'no-key' }
  }
  switch ($step) {
    'foreign' {
      $detail = "The node is set up for $($membership.Domain), which is no membership in $domain."
      return Write-Result 'failed' 'foreign-domain' $detail
    }
    'no-key' { return Write-Result 'failed' 'no-key' 'The private key of the probe is gone: probe again.' }
    'restart' { return $restart }
    'join' { return Join-Domain $entry $membership }
  }
}

$domain = $GivenDomain.ToLowerInvariant()
$controller = $GivenController.ToLowerInvariant()
$computer = ''
$seen = @{ Status = 0; Controller = '' }
# Ten seconds before the agent kills the script, it says why it is not done.
$deadline = (Get-MachineTime) + [int] $TimeLimit - 10
$lock = Open-Lock
try { $code = Invoke-Join } finally {
  # The key is for this attempt only, however it ends.
  Remove-MachineKey
  $lock.Dispose()
}
exit $code
