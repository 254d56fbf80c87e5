# Takes from an account the right to change DNS records in the domain's zone, or gives it back: a denial on the zone, which
# every name in it inherits. Reads one JSON object from standard input. It asks the controller itself, as the controller's own
# account: the library that reads the database in place crashes when it hands a descriptor down.
import json
import re
import sys

from samba.credentials import Credentials
from samba.dcerpc import security
from samba.ndr import ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB
from samba.sd_utils import SDUtils
from ldb import SCOPE_SUBTREE

wanted = json.load(sys.stdin)
parameters = LoadParm()
parameters.load_default()
credentials = Credentials()
credentials.guess(parameters)
credentials.set_machine_account(parameters)
directory = SamDB(url="ldap://" + wanted["host"], credentials=credentials, lp=parameters)
descriptors = SDUtils(directory)
found = directory.search(
    str(directory.domain_dn()), SCOPE_SUBTREE, "(sAMAccountName=%s)" % wanted["user"], ["objectSid"]
)
sid = str(ndr_unpack(security.dom_sid, found[0]["objectSid"][0]))
domain = security.dom_sid(directory.get_domain_sid())

text = descriptors.read_sd_on_dn(wanted["zone"], ["sd_flags:1:4"]).as_sddl(domain)
text = re.sub(r"\(D;[^()]*;%s\)" % re.escape(sid), "", text)
if not wanted["granted"]:
    text = text.replace("(", "(D;CI;SDWP;;;%s)(" % sid, 1)
descriptors.modify_sd_on_dn(wanted["zone"], security.descriptor.from_sddl(text, domain), ["sd_flags:1:4"])
