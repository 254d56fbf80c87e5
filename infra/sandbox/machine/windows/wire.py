# What Windows does on the wire: the secure channel of Netlogon with the machine's password, and what goes through it. One request as
# JSON on standard input, {"verb", "name", "domain", "controller", "password"}; the answer, {"status"}, is a Windows error number.
#
#   join      opens the channel with the password given, and keeps the password (NetJoinDomain)
#   verify    opens it with the password that is kept, and tells the controller what the machine is (NetrLogonGetDomainInfo)
#   change    makes a new password, and sets it through the channel (NetrServerPasswordSet2)
#   lookup    whether the controller knows the machine's account, or the one given
#   register  the machine's address in DNS, signed with the machine's key
#   text      a text under a name in DNS, signed likewise (DnsModifyRecordsInSet)
#
# For people and for proofs: wire.py VERB [ACCOUNT] asks so as the machine that it runs on, and exits with 0 for a status of 0.
import json
import os
import random
import socket
import string
import subprocess
import sys
import time

from samba import NTSTATUSError
from samba.credentials import DONT_USE_KERBEROS, Credentials
from samba.dcerpc import netlogon
from samba.dcerpc.misc import SEC_CHAN_WKSTA
from samba.param import LoadParm
from samba.samdb import SamDB

# LSA's secret. Windows encrypts it with the machine's key; here the disk is in memory and ends with the machine.
SECRET = "/var/lib/windows/lsa.json"
LOG = "/var/lib/windows/Windows/debug/netsetup.log"
CACHE = "/run/windows/ccache"
LENGTH = 120

ACCESS_DENIED, LOGON_FAILURE, NO_LOGON_SERVERS, NO_TRUST_SECRET, NO_TRUST_ACCOUNT = 5, 1326, 1311, 1786, 1787
STATUSES = {0xC0000022: ACCESS_DENIED, 0xC000006D: LOGON_FAILURE, 0xC000018B: NO_TRUST_ACCOUNT}


def parameters(wanted):
    lp = LoadParm()
    lp.load_default()
    lp.set("realm", wanted["domain"].upper())
    lp.set("workgroup", netbios(wanted))
    lp.set("netbios name", wanted["name"])
    return lp


# The domain's short name is the first label of its DNS name, as in every domain of the sandbox.
def netbios(wanted):
    return wanted["domain"].split(".")[0].upper()


def credentials(wanted, password, lp):
    account = Credentials()
    account.guess(lp)
    account.set_workstation(wanted["name"])
    account.set_domain(netbios(wanted))
    account.set_realm(wanted["domain"].upper())
    account.set_username(wanted["name"] + "$")
    account.set_password(password)
    account.set_secure_channel_type(SEC_CHAN_WKSTA)
    account.set_kerberos_state(DONT_USE_KERBEROS)
    return account


def channel(wanted, password):
    lp = parameters(wanted)
    account = credentials(wanted, password, lp)
    return netlogon.netlogon("ncacn_ip_tcp:%s[schannel,seal]" % wanted["controller"], lp, account), account


def authenticator(account):
    made = account.new_client_authenticator()
    given = netlogon.netr_Authenticator()
    given.cred.data = list(made["credential"])
    given.timestamp = made["timestamp"]
    return given


def kept():
    try:
        with open(SECRET) as file:
            return json.load(file)
    except FileNotFoundError:
        return []


def keep(passwords):
    new = SECRET + ".new"
    with open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        json.dump(passwords, file)
    os.replace(new, SECRET)


# Netlogon tries the password before the last one, too: a change may have been cut off.
def opened(wanted):
    failure = NO_TRUST_SECRET
    for password in kept():
        try:
            return channel(wanted, password) + (password,)
        except NTSTATUSError as error:
            failure = STATUSES.get(error.args[0] & 0xFFFFFFFF, NO_LOGON_SERVERS)
    raise Refused(failure)


class Refused(Exception):
    pass


def join(wanted):
    try:
        channel(wanted, wanted["password"])
    except NTSTATUSError as error:
        status = STATUSES.get(error.args[0] & 0xFFFFFFFF, 1355)
        # The client logs on for the join; that fails otherwise than the channel does.
        status = LOGON_FAILURE if status in (ACCESS_DENIED, NO_TRUST_ACCOUNT) else status
        os.makedirs(os.path.dirname(LOG), exist_ok=True)
        with open(LOG, "a") as log:
            log.write(time.strftime("%m/%d/%Y %H:%M:%S:000 NetpDoDomainJoin: status: ") + "0x%x\r\n" % status)
        raise Refused(status)
    keep([wanted["password"]])


def verify(wanted):
    connection, account, password = opened(wanted)
    keep([password])
    query = netlogon.netr_WorkstationInformation()
    query.os_name.string = wanted["system"]
    query.dns_hostname = "%s.%s" % (wanted["name"].lower(), wanted["domain"])
    query.workstation_flags = 3
    answer = netlogon.netr_Authenticator()
    controller = "\\\\" + wanted["controller"]
    connection.netr_LogonGetDomainInfo(controller, wanted["name"], authenticator(account), answer, 1, query)


def change(wanted):
    connection, account, old = opened(wanted)
    choice = random.SystemRandom()
    new = "".join(choice.choice(string.ascii_letters + string.digits) for _ in range(LENGTH))
    keep([new, old])
    text = new.encode("utf-16-le")
    given = authenticator(account)
    sealed = netlogon.netr_CryptPassword()
    sealed.length = len(text)
    sealed.data = list(os.urandom(512 - len(text))) + list(text)
    account.encrypt_netr_crypt_password(sealed)
    connection.netr_ServerPasswordSet2(
        "\\\\" + wanted["controller"],
        account.get_username(),
        account.get_secure_channel_type(),
        account.get_workstation(),
        given,
        sealed,
    )
    keep([new])


def lookup(wanted):
    lp = parameters(wanted)
    password = opened(wanted)[2]
    directory = SamDB(url="ldap://" + wanted["controller"], credentials=credentials(wanted, password, lp), lp=lp)
    account = wanted.get("account", wanted["name"] + "$")
    found = directory.search(expression="(sAMAccountName=%s)" % account, attrs=["objectSid"])
    if len(found) == 0:
        raise Refused(1332)


def register(wanted):
    name = "%s.%s" % (wanted["name"].lower(), wanted["domain"])
    lines = ["update delete %s A" % name]
    update(wanted, lines + ["update add %s 1200 A %s" % (name, address) for address in wanted["addresses"]])


def text(wanted):
    update(wanted, ['update add %s 300 TXT "%s"' % (wanted["record"], wanted["text"])])


def update(wanted, lines):
    environment = {"PATH": os.environ["PATH"], "KRB5CCNAME": "FILE:" + CACHE}
    principal = "%s$@%s" % (wanted["name"], wanted["domain"].upper())
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "text": True, "timeout": 20}
    subprocess.run(["kinit", principal], input=kept()[0] + "\n", **quiet)
    # It may fail to like the signature of an answer that says yes; DNS itself is asked afterwards.
    subprocess.run(["nsupdate", "-g"], input="\n".join(lines + ["send", ""]), **quiet)
    os.path.exists(CACHE) and os.remove(CACHE)


def own_request(verb, *accounts):
    with open("/var/lib/windows/domain") as domain, open("/run/windows/controller") as controller:
        made = {"verb": verb, "name": socket.gethostname().upper(), "domain": domain.read(), "controller": controller.read()}
    made["system"] = "Windows Server 2022 Datacenter"
    return made | ({"account": accounts[0]} if accounts else {})


request = own_request(*sys.argv[1:]) if len(sys.argv) > 1 else json.load(sys.stdin)
verbs = {"join": join, "verify": verify, "change": change, "lookup": lookup, "register": register, "text": text}
try:
    verbs[request["verb"]](request)
    status = 0
except Refused as refused:
    status = refused.args[0]
except NTSTATUSError as error:
    status = STATUSES.get(error.args[0] & 0xFFFFFFFF, NO_LOGON_SERVERS)
print(json.dumps({"status": status}))
sys.exit(0 if status == 0 or len(sys.argv) == 1 else 1)
