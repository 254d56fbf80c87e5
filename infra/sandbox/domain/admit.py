# Prepares the first controller for another one, and tidies up after it. Reads one JSON object from standard input, so
# that the password is in no argument, environment or file.
#
#   {"step": "before", "joiner": {"user", "password"}, "site": NAME or null}    an administrator for the join alone; the site
#   {"step": "after", "joiner": {"user"}, "record": DN, "serviceAccount": NAME} no such administrator; the record is safe
import json
import sys

from samba import sites
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
from samba.sd_utils import SDUtils
from ldb import FLAG_MOD_ADD, Message, MessageElement, SCOPE_SUBTREE, Dn

wanted = json.load(sys.stdin)
parameters = LoadParm()
parameters.load_default()
directory = SamDB(session_info=system_session(), lp=parameters)
user = wanted["joiner"]["user"]

if wanted["step"] == "before":
    directory.newuser(user, wanted["joiner"]["password"])
    directory.add_remove_group_members("Domain Admins", [user], add_members_operation=True)
    configuration = str(directory.get_config_basedn())
    site = wanted["site"]
    if site is not None and site not in [str(s["name"]) for s in directory.search(
        "CN=Sites," + configuration, SCOPE_SUBTREE, "(objectClass=site)", ["name"]
    )]:
        sites.create_site(directory, configuration, site)
        # Without a link the site is an island: nothing would replicate to or from it.
        link = Message(Dn(directory, "CN=DEFAULTIPSITELINK,CN=IP,CN=Inter-Site Transports,CN=Sites," + configuration))
        link["siteList"] = MessageElement("CN=%s,CN=Sites,%s" % (site, configuration), FLAG_MOD_ADD, "siteList")
        directory.modify(link)
else:
    directory.deleteuser(user)
    found = directory.search(
        str(directory.domain_dn()), SCOPE_SUBTREE, "(sAMAccountName=%s)" % wanted["serviceAccount"], ["objectSid"]
    )
    sid = directory.schema_format_value("objectSid", found[0]["objectSid"][0]).decode()
    # As for the first controller's records: an explicit denial goes before what is inherited.
    SDUtils(directory).dacl_add_ace(wanted["record"], "(D;;SDDTWP;;;%s)" % sid)
