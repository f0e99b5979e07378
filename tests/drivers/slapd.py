"""A real LDAP directory (slapd) on this machine's loopback, with a few people and groups; with TLS."""

import contextlib
import re
import select
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.drivers.fence_controllers import self_signed

BASE = "dc=example,dc=org"
SEARCHER, SEARCHER_PASSWORD = f"cn=searcher,{BASE}", "search me"
SLAPD, SLAPADD = "/usr/sbin/slapd", "/usr/sbin/slapadd"
START_WITHIN_S = 20.0

_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {place}/slapd.pid
TLSCACertificateFile {certificate}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "{base}"
rootdn "cn=root,{base}"
directory {place}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{searcher}" read by * none
"""
_PEOPLE = """\
dn: {base}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {searcher}
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {searcher_password}

dn: ou=people,{base}
objectClass: organizationalUnit

dn: ou=groups,{base}
objectClass: organizationalUnit

dn: uid=alice,ou=people,{base}
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: A
userPassword: alice secret

dn: uid=bob,ou=people,{base}
objectClass: inetOrgPerson
uid: bob
cn: Bob (the builder) *
sn: B
userPassword: bob secret

dn: uid=twin,ou=people,{base}
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: T
userPassword: twin secret

dn: cn=Second,ou=people,{base}
objectClass: inetOrgPerson
uid: twin
cn: Second
sn: T
userPassword: twin secret

dn: cn=staff,ou=groups,{base}
objectClass: groupOfNames
member: uid=alice,ou=people,{base}
member: uid=bob,ou=people,{base}

dn: cn=chiefs,ou=groups,{base}
objectClass: groupOfNames
member: uid=alice,ou=people,{base}
"""


class Directory(NamedTuple):
    """A running directory.

    Attributes:
        certificate: that a client must trust.
    """

    port: int
    tls_port: int
    certificate: Path


@contextlib.contextmanager
def slapd(place: Path) -> Iterator[Directory]:
    """Run a directory; it is gone after the block."""
    (place / "data").mkdir(parents=True)
    self_signed(place / "tls.pem")
    names = {
        "place": place,
        "base": BASE,
        "searcher": SEARCHER,
        "searcher_password": SEARCHER_PASSWORD,
        "certificate": place / "tls.crt",
        "key": place / "tls.key",
    }
    config, people = place / "slapd.conf", place / "people.ldif"
    config.write_text(_CONFIG.format(**names))
    people.write_text(_PEOPLE.format(**names))
    subprocess.run([SLAPADD, "-q", "-f", str(config), "-l", str(people)], check=True, capture_output=True)
    ports = _free_port(), _free_port()
    urls = f"ldap://127.0.0.1:{ports[0]}/ ldaps://127.0.0.1:{ports[1]}/"
    command = [SLAPD, "-f", str(config), "-h", urls, "-d", "stats"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
        try:
            _until_started(server)
            with (place / "log").open("wb") as log, subprocess.Popen(["cat"], stdin=server.stderr, stdout=log):
                yield Directory(*ports, place / "tls.crt")
                server.terminate()
        finally:
            server.terminate()


def _until_started(server: "subprocess.Popen[bytes]") -> None:
    assert server.stderr
    said = b""
    while b"slapd starting" not in said:
        ready, _, _ = select.select([server.stderr], [], [], START_WITHIN_S)
        piece = server.stderr.read1() if ready else b""  # type: ignore[attr-defined]
        assert piece, f"slapd did not start: {re.sub(rb'(?m)^[0-9a-f.x ]+', b'', said).decode()}"
        said += piece


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
