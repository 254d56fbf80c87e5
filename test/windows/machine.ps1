# The machine of the Windows scripts as a record. Each line of standard input asks for one run of a script, as JSON: `script`, its
# path, and `state`, the machine. The answer is a line that begins with ANSWER, with the state afterwards; what was printed before it
# is the run's. Statuses are given in the order in which they are asked for; the last one stays. The one-time password is seen only
# by C#, which notes its hash.

Add-Type -TypeDefinition @'
using System;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
public static class Witness
{
  public static string Hash(IntPtr text)
  {
    return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(Marshal.PtrToStringUni(text)))).ToLowerInvariant();
  }
}
'@

$record = @{}
$recordedCalls = [Collections.Generic.List[string]]::new()
$recordedClock = @{ Now = 0 }
# An effect, and the end of the script where the machine is to die: nothing has an effect after that.
function Note([string] $Call) {
  if ($record.dead) { throw 'dead' }
  $recordedCalls.Add($Call)
  if ($recordedCalls.Count -eq $record.dieAt) {
    $record.dead = $true
    throw 'killed'
  }
}
function Take([string] $Name) {
  $list = @($record[$Name])
  if ($list.Count -gt 1) { $record[$Name] = @($list[1..($list.Count - 1)]) }
  return $list[0]
}

function Get-MachineTime { return $recordedClock.Now }
function Wait-Machine([int] $Seconds) { $recordedClock.Now += $Seconds }
function Get-MachineFolder { return $record.folder }
function Get-MachineSystem { return @{ Product = $record.product; Build = [int] $record.build; Type = $record.type } }
function Get-MachineName([bool] $Next) { return $(if ($Next) { $record.nextName } else { $record.name }) }
function Get-MachineDomain { return $record.domain }
function Test-JoinPending { return $record.pending }
function Set-JoinPending([bool] $Pending) { Note "pending $Pending"; $record.pending = $Pending }
function Get-StagedName { return $record.staged }
function Set-StagedName([string] $Name) { Note "staged '$Name'"; $record.staged = $Name }
function Get-MachineKey {
  if ($record.key -eq '') { return $null }
  $key = [Security.Cryptography.RSA]::Create()
  $key.FromXmlString($record.key)
  return $key
}
# Making one takes longer than everything else: unless a size is asked for, two of them take turns.
$recordedKeys = [Collections.Generic.List[string]]::new()
function New-MachineKey {
  if ($record.bits -ne 0) { $record.key = [Security.Cryptography.RSA]::Create([int] $record.bits).ToXmlString($true) }
  else {
    while ($recordedKeys.Count -lt 2) { $recordedKeys.Add([Security.Cryptography.RSA]::Create(2048).ToXmlString($true)) }
    $record.key = $recordedKeys[0]
    $recordedKeys.Reverse()
  }
  return Get-MachineKey
}
function Remove-MachineKey { if (-not $record.dead) { $record.key = '' } }
function Rename-Machine([string] $HostName) {
  Note "rename $HostName"
  $code = [int] (Take 'renames')
  if ($code -eq 0) { $record.nextName = $HostName.ToUpperInvariant() }
  return $code
}
function Join-Machine([string] $Domain, [string] $Controller, [IntPtr] $Password, [int] $Options) {
  Note ('join {0} {1} 0x{2:X} {3}' -f $Domain, $Controller, $Options, $(if ($record.key -eq '') { 'key gone' } else { 'key there' }))
  $record.password = [Witness]::Hash($Password)
  $code = [int] (Take 'joins')
  if ($code -eq 0) { $record.domain = $Domain }
  return $code
}
function Exit-MachineDomain {
  Note 'unjoin'
  $code = [int] (Take 'unjoins')
  if ($code -eq 0) { $record.domain = '' }
  return $code
}
function Invoke-Netlogon([int] $Code, [string] $Data) {
  Note "netlogon $Code $Data"
  $status = [int] (Take "netlogon$Code")
  if ($Code -eq 9 -and $status -eq 0) { $record.password = 'own' }
  return @{ Status = $status; Controller = 'dc2.corp.example.test' }
}
function Test-MachineAccount([string] $Domain, [string] $Name) { return [bool] (Take 'resolves') }
function Test-Registering { return $record.registering }
function Disable-ReverseRegistration { Note 'no reverse registration' }
function Register-Machine { Note 'register' }
function Register-MachineText([string] $Name, [string] $Text) {
  Note "text $Name $Text"
  return [int] (Take 'texts')
}
function Resolve-MachineName([string] $Name, [string] $Server) {
  Note "resolve $Name at $Server"
  if (Take 'named') { return @('192.0.2.7') } else { return @('192.0.2.1') }
}
function Get-MachineAddress { return @('fe80::1', '192.0.2.7') }

while ($null -ne ($line = [Console]::In.ReadLine())) {
  $request = $line | ConvertFrom-Json -AsHashtable
  $record = $request.state
  $recordedCalls.Clear()
  $recordedClock.Now = [long] $record.time
  foreach ($name in $request.environment.Keys) { [Environment]::SetEnvironmentVariable($name, $request.environment[$name]) }
  $global:LASTEXITCODE = 1
  if ($record.transcript) { $null = Start-Transcript -Path $record.transcript }
  $held = $null
  if ($record.locked) {
    $null = New-Item -ItemType Directory -Force -Path (Join-Path $record.folder 'adjoin')
    $held = [IO.File]::Open((Join-Path $record.folder 'adjoin/lock'), 'OpenOrCreate', 'Read', 'Read')
  }
  if ($record.traced) { Set-PSDebug -Trace 2 }
  try { & $request.script } catch { $global:LASTEXITCODE = 1; $record.thrown = [string] $_ }
  Set-PSDebug -Trace 0
  if ($null -ne $held) { $held.Dispose() }
  if ($record.transcript) { $null = Stop-Transcript }
  $record.exitCode = $LASTEXITCODE
  $record.time = $recordedClock.Now
  $record.calls = @($recordedCalls)
  [Console]::Out.WriteLine('ANSWER' + (ConvertTo-Json -InputObject $record -Depth 5 -Compress))
}
