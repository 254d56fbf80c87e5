# What this node is a member of.

# Domain and Name as the machine has them now. While Pending, a join waits for its reboot: Name is the one that it gives.
function Get-Membership {
  $pending = Test-JoinPending
  $name = Get-MachineName $pending
  return @{ Domain = (Get-MachineDomain).ToLowerInvariant(); Name = $name.ToUpperInvariant(); Pending = $pending }
}
