# Which Windows this is, and whether it can keep a name.
# The document assigns $GivenSystem, the group's tag Operating_System, which may be empty.

# Windows Server 2016: its .NET Framework is the first one that opens RSA-OAEP with SHA-256.
$oldestBuild = 14393

# Why this node can't join, as a code and for people; both are empty where it can. A desktop is no server, and a domain controller is
# a member in another way.
function Get-Refusal($System) {
  $runs = "it runs $($System.Product), build $($System.Build), type $($System.Type)"
  if ($GivenSystem -ne '' -and $GivenSystem -ne 'WINDOWS') {
    return @{ Code = 'system-contradicted'; Detail = "$runs, and the tag Operating_System of its group says $GivenSystem." }
  }
  if ($System.Type -ne 'ServerNT' -or $System.Build -lt $oldestBuild) {
    return @{ Code = 'system-unsupported'; Detail = "$runs, and a join takes a member server of Windows Server 2016 or later." }
  }
  return @{ Code = ''; Detail = '' }
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
