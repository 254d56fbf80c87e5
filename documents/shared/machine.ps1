# All that only Windows can do; the rest of the scripts runs wherever PowerShell runs. Nothing here decides anything. A process that
# brings these functions along keeps its own: so the scripts are run and tested on other systems.

if (-not (Test-Path -LiteralPath Function:\Join-Machine)) {
  Add-Type -TypeDefinition @'
using System;
using System.Runtime.InteropServices;

public static class AdjoinNative
{
  [DllImport("netapi32.dll", CharSet = CharSet.Unicode)]
  public static extern int NetJoinDomain(string server, string domain, string unit, string account, IntPtr password, uint options);

  [DllImport("netapi32.dll", CharSet = CharSet.Unicode)]
  public static extern int NetUnjoinDomain(string server, string account, string password, uint options);

  [DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
  static extern bool SetComputerNameExW(int type, string name);

  [DllImport("netapi32.dll", CharSet = CharSet.Unicode)]
  static extern int I_NetLogonControl2(string server, uint code, uint level, ref IntPtr data, out IntPtr answer);

  [DllImport("netapi32.dll")]
  static extern int NetApiBufferFree(IntPtr buffer);

  [DllImport("dnsapi.dll")]
  static extern int DnsModifyRecordsInSet_W(ref TextRecord add, IntPtr delete, uint options, IntPtr credentials, IntPtr extra, IntPtr reserved);

  [DllImport("advapi32.dll")]
  static extern uint LsaOpenPolicy(IntPtr system, ref Attributes attributes, uint access, out IntPtr policy);

  [DllImport("advapi32.dll")]
  static extern uint LsaQueryInformationPolicy(IntPtr policy, int what, out IntPtr answer);

  [DllImport("advapi32.dll")]
  static extern uint LsaFreeMemory(IntPtr buffer);

  [DllImport("advapi32.dll")]
  static extern uint LsaClose(IntPtr policy);

  [StructLayout(LayoutKind.Sequential)]
  struct Attributes { public int Length; public IntPtr Root, Name; public int Flags; public IntPtr Descriptor, Quality; }

  [StructLayout(LayoutKind.Sequential)]
  struct Text { public ushort Length, Maximum; public IntPtr Buffer; }

  [StructLayout(LayoutKind.Sequential)]
  struct DomainInformation { public Text Name, DnsName, Forest; public Guid Id; public IntPtr Sid; }

  [StructLayout(LayoutKind.Sequential)]
  struct NetlogonInformation { public uint Flags; public int Verified; public IntPtr Controller; public int Connected; }

  // DNS_RECORDW with DNS_TXT_DATAW. DataLength is that of the union's member, from Count on.
  [StructLayout(LayoutKind.Sequential)]
  struct TextRecord
  {
    public IntPtr Next, Name; public ushort Type, DataLength; public uint Flags, TimeToLive, Reserved;
    public uint Count; public IntPtr Text;
  }

  static string Read(Text text) { return text.Length == 0 ? "" : Marshal.PtrToStringUni(text.Buffer, text.Length / 2); }

  // ComputerNamePhysicalDnsHostname; the NetBIOS name follows it.
  public static int Rename(string name) { return SetComputerNameExW(5, name) ? 0 : Marshal.GetLastWin32Error(); }

  // PolicyDnsDomainInformation: a machine outside any domain has no SID of one.
  public static string Domain()
  {
    Attributes none = new Attributes();
    IntPtr policy, answer;
    if (LsaOpenPolicy(IntPtr.Zero, ref none, 1, out policy) != 0) throw new InvalidOperationException("LsaOpenPolicy");
    try
    {
      if (LsaQueryInformationPolicy(policy, 12, out answer) != 0) throw new InvalidOperationException("LsaQueryInformationPolicy");
      DomainInformation found = (DomainInformation)Marshal.PtrToStructure(answer, typeof(DomainInformation));
      string name = found.Sid == IntPtr.Zero ? "" : Read(found.DnsName.Length == 0 ? found.Name : found.DnsName);
      LsaFreeMemory(answer);
      return name;
    }
    finally { LsaClose(policy); }
  }

  // DNS_UPDATE_SECURITY_ONLY: signed with the key of the account that calls, which is the machine's for the system's own.
  public static int RegisterText(string name, string text)
  {
    TextRecord record = new TextRecord();
    record.Type = 16;
    record.DataLength = (ushort)(2 * IntPtr.Size);
    record.TimeToLive = 300;
    record.Count = 1;
    record.Name = Marshal.StringToHGlobalUni(name);
    record.Text = Marshal.StringToHGlobalUni(text);
    try { return DnsModifyRecordsInSet_W(ref record, IntPtr.Zero, 0x100, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero); }
    finally
    {
      Marshal.FreeHGlobal(record.Name);
      Marshal.FreeHGlobal(record.Text);
    }
  }

  // The status, and the controller that the secure channel leads to. Level 2 tells of a channel; a password change takes level 1.
  public static object[] Netlogon(uint code, uint level, string data)
  {
    IntPtr text = Marshal.StringToHGlobalUni(data), answer = IntPtr.Zero;
    try
    {
      int status = I_NetLogonControl2(null, code, level, ref text, out answer);
      if (status != 0 || level != 2) return new object[] { status, "" };
      NetlogonInformation found = (NetlogonInformation)Marshal.PtrToStructure(answer, typeof(NetlogonInformation));
      status = found.Connected != 0 || (found.Flags & 0x80) == 0 ? found.Connected : found.Verified;
      string controller = found.Controller == IntPtr.Zero ? "" : Marshal.PtrToStringUni(found.Controller);
      return new object[] { status, controller.TrimStart('\\') };
    }
    finally
    {
      if (answer != IntPtr.Zero) NetApiBufferFree(answer);
      Marshal.FreeHGlobal(text);
    }
  }
}
'@

  function Get-MachineTime { return [DateTimeOffset]::UtcNow.ToUnixTimeSeconds() }
  function Wait-Machine([int] $Seconds) { Start-Sleep -Seconds $Seconds }
  # The profile of the system's own account, below system32.
  function Get-MachineFolder { return [Environment]::GetFolderPath('LocalApplicationData') }

  function Get-MachineValue([string] $Key, [string] $Name) {
    return [Microsoft.Win32.Registry]::GetValue('HKEY_LOCAL_MACHINE\' + $Key, $Name, $null)
  }

  function Get-MachineSystem {
    $version = 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    return @{
      Product = [string] (Get-MachineValue $version 'ProductName')
      Build = [int] (Get-MachineValue $version 'CurrentBuildNumber')
      Type = [string] (Get-MachineValue 'SYSTEM\CurrentControlSet\Control\ProductOptions' 'ProductType')
    }
  }

  function Get-MachineName([bool] $Next) {
    $which = if ($Next) { 'ComputerName' } else { 'ActiveComputerName' }
    return [string] (Get-MachineValue "SYSTEM\CurrentControlSet\Control\ComputerName\$which" 'ComputerName')
  }
  function Get-MachineDomain { return [AdjoinNative]::Domain() }

  # A volatile key: it is gone when the machine has started again.
  function Test-JoinPending {
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SOFTWARE\adjoin\pending')
    if ($null -eq $key) { return $false }
    $key.Close()
    return $true
  }
  function Set-JoinPending([bool] $Pending) {
    if ($Pending) {
      $options = [Microsoft.Win32.RegistryOptions]::Volatile
      $check = [Microsoft.Win32.RegistryKeyPermissionCheck]::Default
      [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\adjoin').Close()
      [Microsoft.Win32.Registry]::LocalMachine.CreateSubKey('SOFTWARE\adjoin\pending', $check, $options).Close()
    } else { [Microsoft.Win32.Registry]::LocalMachine.DeleteSubKey('SOFTWARE\adjoin\pending', $false) }
  }
  # The computer whose one-time password is still its password.
  function Get-StagedName { return [string] (Get-MachineValue 'SOFTWARE\adjoin' 'StagedName') }
  function Set-StagedName([string] $Name) {
    [Microsoft.Win32.Registry]::SetValue('HKEY_LOCAL_MACHINE\SOFTWARE\adjoin', 'StagedName', $Name)
  }

  # In the machine's own key store, protected by DPAPI; nothing exports it.
  $machineKey = @('adjoin', [Security.Cryptography.CngProvider]::MicrosoftSoftwareKeyStorageProvider,
    [Security.Cryptography.CngKeyOpenOptions]::MachineKey)
  function Get-MachineKey {
    if (-not [Security.Cryptography.CngKey]::Exists($machineKey[0], $machineKey[1], $machineKey[2])) { return $null }
    $key = [Security.Cryptography.CngKey]::Open($machineKey[0], $machineKey[1], $machineKey[2])
    return New-Object Security.Cryptography.RSACng -ArgumentList $key
  }
  function New-MachineKey {
    $wanted = New-Object Security.Cryptography.CngKeyCreationParameters
    $wanted.Provider = $machineKey[1]
    $wanted.ExportPolicy = [Security.Cryptography.CngExportPolicies]::None
    $wanted.KeyUsage = [Security.Cryptography.CngKeyUsages]::Decryption
    $wanted.KeyCreationOptions = [Security.Cryptography.CngKeyCreationOptions] 'MachineKey, OverwriteExistingKey'
    $length = New-Object Security.Cryptography.CngProperty -ArgumentList 'Length', ([BitConverter]::GetBytes(2048)), 'None'
    $wanted.Parameters.Add($length)
    $key = [Security.Cryptography.CngKey]::Create([Security.Cryptography.CngAlgorithm]::Rsa, $machineKey[0], $wanted)
    return New-Object Security.Cryptography.RSACng -ArgumentList $key
  }
  function Remove-MachineKey {
    if ([Security.Cryptography.CngKey]::Exists($machineKey[0], $machineKey[1], $machineKey[2])) {
      [Security.Cryptography.CngKey]::Open($machineKey[0], $machineKey[1], $machineKey[2]).Delete()
    }
  }

  # Each returns a Windows error number, 0 for success. The password is given by its address.
  function Rename-Machine([string] $HostName) { return [AdjoinNative]::Rename($HostName) }
  function Join-Machine([string] $Domain, [string] $Controller, [IntPtr] $Password, [int] $Options) {
    return [AdjoinNative]::NetJoinDomain($null, "$Domain\$Controller", $null, $null, $Password, $Options)
  }
  function Exit-MachineDomain { return [AdjoinNative]::NetUnjoinDomain($null, $null, $null, 0) }
  function Invoke-Netlogon([int] $Code, [string] $Data) {
    $level = if ($Code -eq 9) { 1 } else { 2 }
    $answer = [AdjoinNative]::Netlogon($Code, $level, $Data)
    return @{ Status = $answer[0]; Controller = $answer[1] }
  }
  function Test-MachineAccount([string] $Domain, [string] $Name) {
    try { return $null -ne (New-Object Security.Principal.NTAccount -ArgumentList $Domain, "$Name$").Translate([Security.Principal.SecurityIdentifier]) }
    catch [Security.Principal.IdentityNotMappedException] { return $false }
  }

  # Whether Windows registers its name in DNS, by the machine's own settings and by policy.
  function Test-Registering {
    return (Get-MachineValue 'SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'DisableDynamicUpdate') -ne 1 -and
      (Get-MachineValue 'SOFTWARE\Policies\Microsoft\Windows NT\DNSClient' 'RegistrationEnabled') -ne 0
  }
  function Disable-ReverseRegistration {
    $parameters = 'HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters'
    [Microsoft.Win32.Registry]::SetValue($parameters, 'DisableReverseAddressRegistrations', 1, 'DWord')
  }
  function Register-Machine { Register-DnsClient }
  function Register-MachineText([string] $Name, [string] $Text) { return [AdjoinNative]::RegisterText($Name, $Text) }
  function Get-MachineAddress {
    foreach ($interface in [Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces()) {
      if ($interface.NetworkInterfaceType -eq 'Loopback') { continue }
      $interface.GetIPProperties().UnicastAddresses | ForEach-Object { $_.Address.ToString() }
    }
  }
  function Resolve-MachineName([string] $Name, [string] $Server) {
    $found = Resolve-DnsName -Name $Name -Type A_AAAA -Server $Server -DnsOnly -NoHostsFile -QuickTimeout -ErrorAction SilentlyContinue
    return @($found | Where-Object { $_.QueryType -eq 'A' -or $_.QueryType -eq 'AAAA' } | ForEach-Object { $_.IPAddress })
  }
}
