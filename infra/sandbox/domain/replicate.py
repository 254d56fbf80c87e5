# Brings this controller up to date with others, now, and from then on the others tell it about changes. Reads one JSON
# object from standard input: {"sources": [HOST_NAME, ...], "partition": DN or null for all, "seconds": how long to try}.
import json
import sys
import time

from ldb import SCOPE_BASE, SCOPE_ONELEVEL, SCOPE_SUBTREE
from samba import NTSTATUSError, drs_utils
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dcerpc import drsuapi
from samba.param import LoadParm
from samba.samdb import SamDB

wanted = json.load(sys.stdin)
parameters = LoadParm()
parameters.load_default()
credentials = Credentials()
credentials.guess(parameters)
credentials.set_machine_account(parameters)
directory = SamDB(session_info=system_session(), lp=parameters)
root = directory.search("", SCOPE_BASE, attrs=["dnsHostName", "namingContexts"])[0]
binding, handle, _ = drs_utils.drsuapi_connect(str(root["dnsHostName"][0]), parameters, credentials)

options = drsuapi.DRSUAPI_DRS_ADD_REF | drsuapi.DRSUAPI_DRS_WRIT_REP


def take_in(source):
    server = directory.search(
        directory.get_config_basedn(), SCOPE_SUBTREE, "(&(objectCategory=server)(dNSHostName=%s))" % source
    )[0].dn
    settings = directory.search(server, SCOPE_ONELEVEL, "(objectCategory=nTDSDSA)", ["objectGUID"])[0]
    guid = directory.schema_format_value("objectGUID", settings["objectGUID"][0]).decode()
    for partition in root["namingContexts"] if wanted["partition"] is None else [wanted["partition"]]:
        drs_utils.sendDsReplicaSync(binding, handle, guid, str(partition), options)


def check_consistency():
    request = drsuapi.DsExecuteKCC1()
    request.flags = drsuapi.DRSUAPI_DS_EXECUTE_KCC_ASYNCHRONOUS_OPERATION
    try:
        binding.DsExecuteKCC(handle, 1, request)
    except NTSTATUSError:
        # a controller that has just started has no consistency checker yet
        pass


# Who replicates from whom is the consistency checker's to say. It runs every five minutes only, and is asked to run now
# when a source is not known.
deadline = time.monotonic() + wanted["seconds"]
for source in wanted["sources"]:
    while True:
        try:
            take_in(source)
            break
        except (drs_utils.drsException, NTSTATUSError):
            if time.monotonic() > deadline:
                raise
            check_consistency()
            time.sleep(1)
