# Furnishes a freshly provisioned domain before its controller starts: the organizational unit, the service account with
# no more rights than adjoin needs, the auditor, the lockout policy. Reads one JSON object from standard input, so that
# the passwords are in no argument, environment or file. Samba's own tools are written against this same library.
import json
import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
from samba.sd_utils import SDUtils
from ldb import SCOPE_SUBTREE

wanted = json.load(sys.stdin)
parameters = LoadParm()
parameters.load_default()
directory = SamDB(session_info=system_session(), lp=parameters)
descriptors = SDUtils(directory)
base = str(directory.domain_dn())

directory.create_ou(wanted["organizationalUnit"])
for account in ("serviceAccount", "auditor"):
    directory.newuser(wanted[account]["user"], wanted[account]["password"])
found = directory.search(
    base, SCOPE_SUBTREE, "(sAMAccountName=%s)" % wanted["serviceAccount"]["user"], ["objectSid"]
)
sid = directory.schema_format_value("objectSid", found[0]["objectSid"][0]).decode()

computer = "bf967a86-0de6-11d0-a285-00aa003049e2"
reset_password = "00299570-246d-11d0-a768-00aa006e0529"
dns_node = "e0fa1e8c-9b45-11d0-afdd-00c04fd930c9"
dns_record = "e0fa1e69-9b45-11d0-afdd-00c04fd930c9"
dns_tombstoned = "d5eb2eb7-be4e-463b-a214-634a44d7392e"

# Create and delete computer objects in the unit; read, write and delete the ones in it with what they contain, and reset
# their passwords, no matter which account made them: nothing else, nowhere else.
unit = wanted["organizationalUnit"]
descriptors.dacl_add_ace(unit, "(OA;CI;CCDC;%s;;%s)" % (computer, sid))
descriptors.dacl_add_ace(unit, "(OA;CIIO;RPWPDT;;%s;%s)" % (computer, sid))
descriptors.dacl_add_ace(unit, "(OA;CIIO;CR;%s;%s;%s)" % (reset_password, computer, sid))

# Machines register their own DNS records, and own them. Who removes them needs the right to write the two attributes that make
# a tombstone, and the right to delete a tombstone whose name is given again; by inheritance, since they don't exist yet. What stands in the zone already is the controllers' own: an explicit denial on each goes
# before anything inherited.
zone = "DC=%s,CN=MicrosoftDNS,DC=DomainDnsZones,%s" % (wanted["domainName"], base)
for node in directory.search(zone, SCOPE_SUBTREE, "(objectClass=dnsNode)", ["name"]):
    descriptors.dacl_add_ace(str(node.dn), "(D;;SDDTWP;;;%s)" % sid)
descriptors.dacl_add_ace(zone, "(OA;CIIO;SD;;%s;%s)" % (dns_node, sid))
for attribute in (dns_record, dns_tombstoned):
    descriptors.dacl_add_ace(zone, "(OA;CIIO;WP;%s;%s;%s)" % (attribute, dns_node, sid))

directory.modify_ldif(
    "dn: %s\nchangetype: modify\nreplace: lockoutThreshold\nlockoutThreshold: %d\n"
    % (base, wanted["lockoutThreshold"])
)
