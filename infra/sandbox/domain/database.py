# Answers what Samba's ldb tools are asked, with the controller's database open all the time: each start of a tool reads the
# whole schema, which takes half a second of processor. One JSON object a line, on standard input and output:
# {"argv": [TOOL, ...], "input": LDIF} is answered by {"code", "stdout", "stderr"}.
import argparse
import json
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

parameters = LoadParm()
parameters.load_default()
directory = SamDB(session_info=system_session(), lp=parameters)

options = argparse.ArgumentParser()
options.add_argument("-H")
options.add_argument("-b", default=None)
options.add_argument("-s", default="sub")
options.add_argument("--relax", action="store_true")
options.add_argument("words", nargs="*")
scopes = {"base": ldb.SCOPE_BASE, "one": ldb.SCOPE_ONELEVEL, "sub": ldb.SCOPE_SUBTREE}


def search(asked, _input, _controls):
    words = asked.words
    # As the tools take it: the first word is the filter if it can be one.
    expression = words.pop(0) if words and any(sign in words[0] for sign in "(=") else None
    found = directory.search(asked.b, scopes[asked.s], expression, words or None)
    return "\n".join(directory.write_ldif(entry, ldb.CHANGETYPE_NONE) for entry in found)


def change(_asked, text, controls):
    for kind, entry in directory.parse_ldif(text):
        if kind == ldb.CHANGETYPE_DELETE:
            directory.delete(entry if isinstance(entry, ldb.Dn) else entry.dn, controls)
        elif kind == ldb.CHANGETYPE_MODIFY:
            directory.modify(entry, controls)
        else:
            directory.add(entry, controls)
    return ""


def delete(asked, _input, controls):
    for name in asked.words:
        directory.delete(ldb.Dn(directory, name), controls)
    return ""


def rename(asked, _input, controls):
    directory.rename(*(ldb.Dn(directory, name) for name in asked.words), controls)
    return ""


tools = {"ldbsearch": search, "ldbadd": change, "ldbmodify": change, "ldbdel": delete, "ldbrename": rename}


def answer(question):
    tool, *rest = question["argv"]
    asked = options.parse_args(rest)
    controls = ["relax:0"] if asked.relax else []
    if tool == "ldbsearch":
        return search(asked, "", controls)
    # All of it or nothing, as the tools have it.
    directory.transaction_start()
    try:
        said = tools[tool](asked, question["input"], controls)
    except BaseException:
        directory.transaction_cancel()
        raise
    directory.transaction_commit()
    return said


for line in iter(sys.stdin.readline, ""):
    outcome = {"code": 0, "stdout": "", "stderr": ""}
    try:
        outcome["stdout"] = answer(json.loads(line))
    except ldb.LdbError as error:
        number, text = error.args
        outcome.update(code=min(number, 255) or 1, stderr="ERR: (%d) %s\n" % (number, text))
    print(json.dumps(outcome), flush=True)
