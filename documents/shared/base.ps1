# Included by every Windows script: strict errors, the line of facts, and the lock.
# The document assigns $TimeLimit: seconds after which the SSM agent kills the script.
#
# A secret is in no variable and no argument: module logging writes down what functions are given, script block logging what a script
# says, a transcript what it prints. The one-time password exists only in memory that seal.ps1 hands on by its address.

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

# Makes any text safe inside a JSON string: printable ASCII without quote and backslash, and not longer than a fact may be.
function ConvertTo-Plain([string] $Text, [int] $Longest = 300) {
  $plain = ($Text -replace '\s+', ' ') -replace '[^ -~]|["\\]', ''
  if ($plain.Length -gt $Longest) { $plain = $plain.Substring(0, $Longest) }
  return $plain.Trim()
}

# One line of JSON. It is written by hand, because ConvertTo-Json differs between versions.
function Format-Facts([string] $Document, [Collections.Specialized.OrderedDictionary] $Facts) {
  $members = foreach ($name in $Facts.Keys) {
    $value = $Facts[$name]
    if ($value -is [bool]) { $text = ([string] $value).ToLowerInvariant() }
    elseif ($value -is [array]) { $text = '[' + (@($value | ForEach-Object { '"' + (ConvertTo-Plain $_) + '"' }) -join ',') + ']' }
    else { $text = '"' + (ConvertTo-Plain $value $(if ($name -eq 'key') { 1024 } else { 300 })) + '"' }
    '"' + $name + '":' + $text
  }
  return '{"adjoin":1,"document":"' + $Document + '",' + ($members -join ',') + '}'
}

# Past the host, which may break a long line.
function Write-Facts([string] $Document, [Collections.Specialized.OrderedDictionary] $Facts) {
  [Console]::Out.WriteLine((Format-Facts $Document $Facts))
}

# After a lost answer, Run Command may deliver a command twice: the second one waits. The directory is one that only the system and
# administrators may write to. The lock ends with the process.
function Open-Lock {
  $directory = Join-Path (Get-MachineFolder) 'adjoin'
  $null = New-Item -ItemType Directory -Force -Path $directory
  # A quarter of the time limit. The rest is enough to do the work, or to say that it can't be done.
  $latest = (Get-MachineTime) + [int] $TimeLimit / 4
  while ($true) {
    try { return [IO.File]::Open((Join-Path $directory 'lock'), 'OpenOrCreate', 'ReadWrite', 'None') }
    catch [IO.IOException] {
      if ((Get-MachineTime) -ge $latest) { throw 'adjoin: another command of adjoin is still at work on this node' }
    }
    Wait-Machine 1
  }
}
