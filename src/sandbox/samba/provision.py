"""Makes the database of an Active Directory domain, or adds entries to one, as LDIF from standard input.

provision.py new DIR DNS_DOMAIN    the passwords are read from DIR/admin-password and DIR/connector-password
provision.py add DIR

Not by samba-tool, which cannot be told to leave out the access lists of sysvol, and these need root.
"""

import logging
import os
import sys

from samba import dsdb, sd_utils
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_unpack
from samba.param import LoadParm
from samba.provision import provision
from samba.samdb import SamDB

GROUP = "bf967a9c-0de6-11d0-a285-00aa003049e2"
MEMBER = "bf9679c0-0de6-11d0-a285-00aa003049e2"
MEMBER_UID = "03dab236-672e-4f61-ab64-f77d2dc2ffab"


def parameters(folder):
    found = LoadParm()
    found.load_default()
    places = {"private dir": "private", "state directory": "state", "cache directory": "cache", "lock directory": "lock"}
    for name, place in places.items():
        os.makedirs(os.path.join(folder, place), exist_ok=True)
        found.set(name, os.path.join(folder, place))
    return found


def password(folder, name):
    with open(os.path.join(folder, name + "-password"), encoding="utf-8") as file:
        return file.read()


def new_domain(folder, dns_domain):
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    os.makedirs(os.path.join(folder, "etc"), exist_ok=True)
    provision(
        logging.getLogger("provision"),
        system_session(),
        targetdir=folder,
        realm=dns_domain.upper(),
        domain=dns_domain.split(".")[0].upper()[:15],
        hostname="dc1",
        hostip="127.0.0.1",
        adminpass=password(folder, "admin"),
        serverrole="dc",
        dns_backend="NONE",
        use_rfc2307=True,
        lp=parameters(folder),
        skip_sysvolacl=True,
        dom_for_fun_level=dsdb.DS_DOMAIN_FUNCTION_2008_R2,
        backend_store="tdb",
        plaintext_secrets=False,
        batch_mode=True,
    )


def add_entries(database, ldif):
    database.transaction_start()
    for _, entry in database.parse_ldif(ldif):
        database.add(entry)
    database.transaction_commit()


def add_connector(database, folder, dns_domain):
    """An account that can read, as any can, and change who is in the groups beneath OU=groups, and nothing else."""
    base = str(database.domain_dn())
    account = "CN=latchkey,OU=system," + base
    # 0x10000: its password does not expire, which after 42 days would end what was prepared once.
    database.add(
        {
            "dn": account,
            "objectClass": "user",
            "sAMAccountName": "latchkey",
            "userPrincipalName": "latchkey@" + dns_domain,
            "userAccountControl": str(0x200 + 0x20 + 0x10000),
        }
    )
    database.setpassword("(sAMAccountName=latchkey)", password(folder, "connector"), False)
    database.modify_ldif(
        "dn: %s\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: %d\n" % (account, 0x200 + 0x10000)
    )
    found = database.search(account, attrs=["objectSid"])
    sid = ndr_unpack(security.dom_sid, found[0]["objectSid"][0])
    descriptors = sd_utils.SDUtils(database)
    for attribute in (MEMBER, MEMBER_UID):
        descriptors.dacl_add_ace("OU=groups," + base, "(OA;CIIO;RPWP;%s;%s;%s)" % (attribute, GROUP, sid))


def main():
    command, folder = sys.argv[1:3]
    ldif = sys.stdin.buffer.read().decode()
    if command == "new":
        new_domain(folder, sys.argv[3])
    database = SamDB(url=os.path.join(folder, "private", "sam.ldb"), session_info=system_session(), lp=parameters(folder))
    add_entries(database, ldif)
    if command == "new":
        administrator = "CN=Administrator,CN=Users," + str(database.domain_dn())
        flags = "dn: %s\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: %d\n"
        database.modify_ldif(flags % (administrator, 0x200 + 0x10000))
        add_connector(database, folder, sys.argv[3])


main()
