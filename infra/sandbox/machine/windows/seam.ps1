# Runs a script as it would run on a Windows Server, on a machine that is none: the functions that the script would bring along for
# Windows are here, and do the same to the directory. The registry is files; what is volatile, in memory; a restart is the machine's.
# Usage: seam.ps1 SCRIPT. Its exit code, which a process on Linux can't have, is in SCRIPT.exit afterwards.
param([string] $Script)

$seam = @{ Folder = '/var/lib/windows'; Volatile = '/run/windows'; System = 'Windows Server 2022 Datacenter' }
foreach ($directory in $seam.Folder, $seam.Volatile) { $null = New-Item -ItemType Directory -Force -Path $directory }
chmod 0700 $seam.Folder $seam.Volatile
$env:ProgramData = Join-Path $seam.Folder 'ProgramData'
$env:SystemRoot = Join-Path $seam.Folder 'Windows'

function Read-Seam([string] $Path) {
  if (-not (Test-Path -LiteralPath $Path)) { return '' }
  return (Get-Content -LiteralPath $Path -Raw).Trim()
}
function Write-Seam([string] $Path, [string] $Text) {
  if ($Text -eq '') { Remove-Item -LiteralPath $Path -Force -ErrorAction Ignore } else { Set-Content -LiteralPath $Path -Value $Text -NoNewline }
}
# Standard input takes the password; no argument has it.
function Invoke-Wire([hashtable] $Request) {
  $answer = $Request | ConvertTo-Json -Compress | python3 (Join-Path $PSScriptRoot 'wire.py')
  return [int] ($answer | ConvertFrom-Json).status
}
function Invoke-Channel([string] $Verb) {
  $controller = Read-Seam (Join-Path $seam.Volatile 'controller')
  # Netlogon begins with the restart that follows a join.
  if ((Test-JoinPending) -or $controller -eq '') { return 1792 }
  return Invoke-Wire @{ verb = $Verb; name = Get-MachineName $false; domain = Get-MachineDomain; controller = $controller; system = $seam.System }
}

function Get-MachineTime { return [DateTimeOffset]::UtcNow.ToUnixTimeSeconds() }
function Wait-Machine([int] $Seconds) { Start-Sleep -Seconds $Seconds }
function Get-MachineFolder { return $seam.Folder }
function Get-MachineSystem { return @{ Product = $seam.System; Build = 20348; Type = 'ServerNT' } }
# The machine boots with the name that /etc/hostname has.
function Get-MachineName([bool] $Next) {
  $name = if ($Next) { Read-Seam '/etc/hostname' } else { hostname }
  return $name.ToUpperInvariant()
}
function Get-MachineDomain { return Read-Seam (Join-Path $seam.Folder 'domain') }
function Test-JoinPending { return Test-Path -LiteralPath (Join-Path $seam.Volatile 'pending') }
function Set-JoinPending([bool] $Pending) { Write-Seam (Join-Path $seam.Volatile 'pending') $(if ($Pending) { 'yes' } else { '' }) }
function Get-StagedName { return Read-Seam (Join-Path $seam.Folder 'staged') }
function Set-StagedName([string] $Name) { Write-Seam (Join-Path $seam.Folder 'staged') $Name }

function Get-MachineKey {
  $text = Read-Seam (Join-Path $seam.Folder 'key')
  if ($text -eq '') { return $null }
  $key = [Security.Cryptography.RSA]::Create()
  $key.FromXmlString($text)
  return $key
}
function New-MachineKey {
  $key = [Security.Cryptography.RSA]::Create(2048)
  Write-Seam (Join-Path $seam.Folder 'key') $key.ToXmlString($true)
  return $key
}
function Remove-MachineKey { Write-Seam (Join-Path $seam.Folder 'key') '' }

function Rename-Machine([string] $HostName) {
  Set-Content -LiteralPath '/etc/hostname' -Value $HostName
  return 0
}
function Join-Machine([string] $Domain, [string] $Controller, [IntPtr] $Password, [int] $Options) {
  # NERR_SetupAlreadyJoined, unless JOIN_IF_JOINED is given.
  if ((Get-MachineDomain) -ne '' -and -not ($Options -band 0x20)) { return 2691 }
  $status = Invoke-Wire @{
    # JOIN_WITH_NEW_NAME
    verb = 'join'; name = Get-MachineName ([bool] ($Options -band 0x400)); domain = $Domain; controller = $Controller
    password = [Runtime.InteropServices.Marshal]::PtrToStringUni($Password)
  }
  if ($status -eq 0) { Write-Seam (Join-Path $seam.Folder 'domain') $Domain }
  return $status
}
function Exit-MachineDomain {
  # NERR_SetupNotJoined
  if ((Get-MachineDomain) -eq '') { return 2692 }
  Remove-Item -LiteralPath (Join-Path $seam.Folder 'lsa.json') -Force -ErrorAction Ignore
  Write-Seam (Join-Path $seam.Folder 'domain') ''
  return 0
}
function Invoke-Netlogon([int] $Code, [string] $Data) {
  $file = Join-Path $seam.Volatile 'controller'
  if ($Code -eq 5) {
    $controller = @($Data.Split('\'))[1]
    if (-not $controller) { $controller = @(dig +short SRV "_ldap._tcp.dc._msdcs.$Data")[0].Split(' ')[3].TrimEnd('.') }
    Write-Seam $file $controller
  }
  $status = Invoke-Channel $(if ($Code -eq 9) { 'change' } else { 'verify' })
  # Windows registers its name by itself, as soon as it can log on.
  if ($Code -eq 9 -and $status -eq 0) { Register-Machine }
  return @{ Status = $status; Controller = Read-Seam $file }
}
function Test-MachineAccount([string] $Domain, [string] $Name) { return (Invoke-Channel 'lookup') -eq 0 }
function Test-Registering { return $true }
function Disable-ReverseRegistration { }
function Register-Machine {
  $null = Invoke-Wire @{
    verb = 'register'; name = Get-MachineName $false; domain = Get-MachineDomain; addresses = @(Get-MachineAddress)
  }
}
function Register-MachineText([string] $Name, [string] $Text) {
  return Invoke-Wire @{ verb = 'text'; name = Get-MachineName $false; domain = Get-MachineDomain; record = $Name; text = $Text }
}
function Get-MachineAddress { return @((hostname -I).Trim().Split(' ')) }
function Resolve-MachineName([string] $Name, [string] $Server) { return @(dig +short +time=2 +tries=1 "@$Server" $Name A) }

$global:LASTEXITCODE = 0
try { & $Script }
catch {
  [Console]::Error.WriteLine($_)
  $global:LASTEXITCODE = 1
}
[IO.File]::WriteAllText("$Script.exit", [string] $LASTEXITCODE)
