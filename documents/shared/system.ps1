# Which Windows this is, and whether it can keep a name.

# Windows Server 2016: its .NET Framework is the first one that opens RSA-OAEP with SHA-256.
$oldestBuild = 14393

# A desktop is none, and a domain controller is a member in another way.
function Test-Supported($System) {
  return $System.Type -eq 'ServerNT' -and $System.Build -ge $oldestBuild
}

# What gives the instance a name of its own when it starts, which would undo the join's; empty where nothing does. EC2Launch v2 has
# a task for it, EC2Launch v1 a setting; both are off unless an image switches them on.
function Get-Renaming {
  $settings = @{
    'Amazon\EC2Launch\config\agent-config.yml' = '(?m)^\s*-?\s*task:\s*[''"]?setHostName\b'
    'Amazon\EC2-Windows\Launch\Config\LaunchConfig.json' = '"setComputerName"\s*:\s*true'
  }
  foreach ($file in $settings.Keys) {
    $path = Join-Path $env:ProgramData $file
    if ((Test-Path -LiteralPath $path) -and [IO.File]::ReadAllText((Convert-Path -LiteralPath $path)) -match $settings[$file]) {
      return $file.Split('\')[-1]
    }
  }
  return ''
}
