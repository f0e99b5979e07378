"""A small engine for the command line: methods in a dict, answered over real HTTP on the loopback."""

import hashlib
import threading
from collections.abc import Callable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trifid.wire.xmlrpc import I8, decode_call, encode_answer, encode_fault

SESSION = "oneadmin:secret-word"
FIRST_PAGE = (0, -2000)
"""What lists ask for first: offset, and the negative size of a page."""
PERMISSIONS = (
    "<PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M><OWNER_A>0</OWNER_A><GROUP_U>1</GROUP_U><GROUP_M>0</GROUP_M>"
    "<GROUP_A>0</GROUP_A><OTHER_U>0</OTHER_U><OTHER_M>0</OTHER_M><OTHER_A>0</OTHER_A></PERMISSIONS>"
)


class Refusal(Exception):
    """A method refuses: text, code, and the object it is about."""


class FakeEngine:
    """Answers the API from what the test puts into it.

    Attributes:
        methods: by name; each is called with the arguments after the session.
        vms, hosts, networks, users, groups, images, datastores, security_groups, clusters, network_templates,
            vm_groups: documents by id.
        uploads: what was uploaded, by name.
        known: beginnings of other sessions that are let in.
        sessions: of the calls, in the order they came.
        calls: (method, arguments…) in the order they came.
        endpoint: where it answers.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.known: tuple[str, ...] = ()
        self.sessions: list[str] = []
        self.vms: dict[int, str] = {}
        self.hosts: dict[int, str] = {}
        self.networks: dict[int, str] = {}
        self.images: dict[int, str] = {}
        self.datastores: dict[int, str] = {}
        self.security_groups: dict[int, str] = {}
        self.vm_groups: dict[int, str] = {}
        self.clusters: dict[int, str] = {}
        self.zones: dict[int, str] = {}
        self.network_templates: dict[int, str] = {}
        self.uploads: dict[str, bytes] = {}
        self.users: dict[int, str] = {0: user_xml(0, "oneadmin")}
        self.groups: dict[int, str] = {0: "<GROUP><ID>0</ID><NAME>oneadmin</NAME></GROUP>"}
        self.groups[1] = "<GROUP><ID>1</ID><NAME>users</NAME></GROUP>"
        self.methods: dict[str, Callable[..., Any]] = {
            "one.vmpool.info": lambda *asked: self._pool("VM_POOL", self.vms, *asked[1:3]),
            "one.hostpool.info": lambda: self._pool("HOST_POOL", self.hosts),
            "one.vnpool.info": lambda *asked: self._pool("VNET_POOL", self.networks, *asked[1:3]),
            "one.imagepool.info": lambda *asked: self._pool("IMAGE_POOL", self.images, *asked[1:3]),
            "one.datastorepool.info": lambda: self._pool("DATASTORE_POOL", self.datastores),
            "one.image.info": lambda i: self._one("image", self.images, i),
            "one.datastore.info": lambda i: self._one("datastore", self.datastores, i),
            "one.secgrouppool.info": lambda *asked: self._pool(
                "SECURITY_GROUP_POOL", self.security_groups, *asked[1:3]
            ),
            "one.secgroup.info": lambda i: self._one("security group", self.security_groups, i),
            "one.vmgrouppool.info": lambda *asked: self._pool("VM_GROUP_POOL", self.vm_groups, *asked[1:3]),
            "one.vmgroup.info": lambda i: self._one("vm group", self.vm_groups, i),
            "one.clusterpool.info": lambda: self._pool("CLUSTER_POOL", self.clusters),
            "one.cluster.info": lambda i: self._one("cluster", self.clusters, i),
            "one.vntemplatepool.info": lambda *asked: self._pool(
                "VNTEMPLATE_POOL", self.network_templates, *asked[1:3]
            ),
            "one.vntemplate.info": lambda i: self._one("virtual network template", self.network_templates, i),
            "one.zonepool.info": lambda: self._pool("ZONE_POOL", self.zones),
            "one.zone.info": lambda i: self._one("zone", self.zones, i),
            "one.userpool.info": lambda: self._pool("USER_POOL", self.users),
            "one.grouppool.info": lambda: self._pool("GROUP_POOL", self.groups),
            "one.vm.info": lambda i: self._one("virtual machine", self.vms, i),
            "one.host.info": lambda i: self._one("host", self.hosts, i),
            "one.vn.info": lambda i: self._one("virtual network", self.networks, i),
            "one.user.info": lambda i: self._one("user", self.users, max(i, 0)),
            "trifid.host.signs": lambda i: (
                '{"judgement":"ALIVE","signs":"monitoring: 3 s ago","fence":"","follows":""}'
            ),
            "one.system.version": lambda: "7.4.0",
            "trifid.system.version": lambda: "0.1.0",
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}/RPC2"

    def __enter__(self) -> "FakeEngine":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answers(self, method: str, *values: Any) -> None:
        """Let a method answer these values one after the other, the last one for ever; exceptions are raised."""
        left = list(values)

        def answer(*_: Any) -> Any:
            value = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(value, Exception):
                raise value
            return value

        self.methods[method] = answer

    def called(self, method: str) -> list[tuple[Any, ...]]:
        """Return the arguments of each call of a method."""
        return [args for name, *args in self.calls if name == method]

    def _pool(self, root: str, documents: dict[int, str], start: int = -1, end: int = -1) -> str:
        newest_first = [documents[i] for i in sorted(documents, reverse=True)]
        if end < -1:
            newest_first = newest_first[start : start - end]
        return f"<{root}>{''.join(newest_first)}</{root}>"

    def _one(self, words: str, documents: dict[int, str], object_id: int) -> str:
        if object_id not in documents:
            raise Refusal(f"[info] Error getting {words} [{object_id}].", 0x0400, object_id)
        return documents[object_id]

    def _answer(self, body: bytes) -> bytes:
        name, (session, *args) = decode_call(body)
        self.calls.append((name, *args))
        self.sessions.append(session)
        if session != SESSION and not session.startswith(self.known):
            text = f"[{name}] User couldn't be authenticated, aborting call."
            return encode_answer([False, text, 0x0100, -1, I8(-1)])
        if name not in self.methods:
            return encode_fault(-506, f"method {name} is not known")
        try:
            return encode_answer([True, self.methods[name](*args), 0])
        except Refusal as refusal:
            return encode_answer([False, *refusal.args])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                answer = engine._answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_HEAD(self) -> None:
                there = engine.uploads.get(self.path.rpartition("/")[2])
                self.send_response(200)
                self.send_header("Upload-Offset", str(len(there or b"")))
                self.send_header("Upload-Complete", "?0" if there is None else "?1")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_PUT(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                engine.uploads[self.path.rpartition("/")[2].partition("?")[0]] = data
                self.send_response(201)
                self.send_header("X-Checksum-Sha256", hashlib.sha256(data).hexdigest())
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_DELETE(self) -> None:
                engine.uploads.pop(self.path.rpartition("/")[2], None)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler


def tags(values: dict[str, object]) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items())


def owner(uid: int = 0, user: str = "oneadmin", gid: int = 0, group: str = "oneadmin") -> str:
    return tags({"UID": uid, "GID": gid, "UNAME": user, "GNAME": group})


def record(
    seq: int = 0, host: str = "host1", host_id: int = 0, stime: int = 1000, etime: int = 0, action: int = 0
) -> str:
    values = {"OID": 0, "SEQ": seq, "HOSTNAME": host, "HID": host_id, "STIME": stime, "ETIME": etime, "ACTION": action}
    return f"<HISTORY>{tags(values)}</HISTORY>"


def vm_xml(
    vm_id: int = 0,
    name: str = "web",
    state: int = 3,
    lcm: int = 3,
    *,
    resched: int = 0,
    memory: int = 512,
    cpu: str = "1",
    stime: int = 1000,
    etime: int = 0,
    records: str = "",
    user: dict[str, object] | None = None,
    monitoring: dict[str, object] | None = None,
    nics: str = "",
    disks: str = "",
    **who: Any,
) -> str:
    times = {"LAST_POLL": 0, "STATE": state, "LCM_STATE": lcm, "RESCHED": resched, "STIME": stime, "ETIME": etime}
    return (
        f"<VM><ID>{vm_id}</ID>{owner(**who)}<NAME>{escape(name)}</NAME>{PERMISSIONS}{tags(times)}"
        f"<DEPLOY_ID>one-{vm_id}</DEPLOY_ID><MONITORING>{tags(monitoring or {})}</MONITORING>"
        f"<TEMPLATE>{tags({'CPU': cpu, 'MEMORY': memory})}{nics}{disks}</TEMPLATE>"
        f"<USER_TEMPLATE>{tags(user or {})}</USER_TEMPLATE><HISTORY_RECORDS>{records}</HISTORY_RECORDS></VM>"
    )


def host_xml(host_id: int = 0, name: str = "host1", state: int = 2, **attributes: object) -> str:
    share = {
        "MEM_USAGE": 1 << 20,
        "CPU_USAGE": 100,
        "TOTAL_MEM": 4 << 20,
        "TOTAL_CPU": 400,
        "MAX_MEM": 4 << 20,
        "MAX_CPU": 400,
        "RUNNING_VMS": 1,
    }
    capacity = {"FREE_CPU": 390, "FREE_MEMORY": 3 << 20, "USED_CPU": 30, "USED_MEMORY": 1 << 20}
    return (
        f"<HOST><ID>{host_id}</ID><NAME>{name}</NAME><STATE>{state}</STATE><IM_MAD>kvm</IM_MAD><VM_MAD>kvm</VM_MAD>"
        f"<CLUSTER_ID>0</CLUSTER_ID><CLUSTER>default</CLUSTER><HOST_SHARE>{tags(share)}</HOST_SHARE>"
        f"<VMS><ID>0</ID></VMS><TEMPLATE>{tags(attributes)}</TEMPLATE>"
        f"<MONITORING><TIMESTAMP>1000</TIMESTAMP><CAPACITY>{tags(capacity)}</CAPACITY></MONITORING></HOST>"
    )


def network_xml(network_id: int = 0, name: str = "private", leases: str = "") -> str:
    return (
        f"<VNET><ID>{network_id}</ID>{owner()}<NAME>{name}</NAME>{PERMISSIONS}<CLUSTERS><ID>0</ID></CLUSTERS>"
        f"<BRIDGE>br0</BRIDGE><STATE>1</STATE><USED_LEASES>2</USED_LEASES><OUTDATED_VMS></OUTDATED_VMS>"
        f"<ERROR_VMS></ERROR_VMS><TEMPLATE><TYPE>RANGED</TYPE></TEMPLATE>"
        f"<AR_POOL><AR><AR_ID>0</AR_ID><IP>10.0.0.1</IP><MAC>02:00:0a:00:00:01</MAC><SIZE>250</SIZE><TYPE>IP4</TYPE>"
        f"<IP_END>10.0.0.250</IP_END><USED_LEASES>2</USED_LEASES><LEASES>{leases}</LEASES></AR>"
        f"<AR><AR_ID>3</AR_ID><IP>10.0.9.9</IP><MAC>02:00:0a:00:09:09</MAC><SIZE>1</SIZE><TYPE>IP4</TYPE></AR>"
        f"</AR_POOL></VNET>"
    )


def user_xml(uid: int, name: str, gid: int = 0, group: str = "oneadmin") -> str:
    return (
        f"<USER><ID>{uid}</ID><GID>{gid}</GID><GROUPS><ID>{gid}</ID></GROUPS><GNAME>{group}</GNAME><NAME>{name}</NAME>"
        f"<PASSWORD></PASSWORD><AUTH_DRIVER>core</AUTH_DRIVER><ENABLED>1</ENABLED><TEMPLATE></TEMPLATE></USER>"
    )


def image_xml(
    image_id: int = 0,
    name: str = "debian",
    state: int = 1,
    *,
    type: int = 0,
    size: int = 2252,
    persistent: int = 0,
    vms: tuple[int, ...] = (),
    snapshots: str = "",
    lock: str = "",
    template: dict[str, object] | None = None,
    **more: object,
) -> str:
    values = {
        "TYPE": type,
        "DISK_TYPE": 0,
        "PERSISTENT": persistent,
        "REGTIME": 1000,
        "MODTIME": 2000,
        "SOURCE": "/home/engine/datastores/1/0123",
        "PATH": "/srv/images/debian.qcow2",
        "FORMAT": "qcow2",
        "FS": "",
        "SIZE": size,
        "STATE": state,
        "PREV_STATE": 0,
        "RUNNING_VMS": len(vms),
        "CLONING_OPS": 0,
        "CLONING_ID": -1,
        "TARGET_SNAPSHOT": -1,
        "DATASTORE_ID": 1,
        "DATASTORE": "default",
        **more,
    }
    ids = "".join(f"<ID>{vm_id}</ID>" for vm_id in vms)
    return (
        f"<IMAGE><ID>{image_id}</ID>{owner()}<NAME>{escape(name)}</NAME>{lock}{PERMISSIONS}{tags(values)}"
        f"<VMS>{ids}</VMS><CLONES></CLONES><APP_CLONES></APP_CLONES><TEMPLATE>{tags(template or {})}</TEMPLATE>"
        f"<SNAPSHOTS>{snapshots}</SNAPSHOTS><BACKUP_INCREMENTS></BACKUP_INCREMENTS></IMAGE>"
    )


def datastore_xml(
    datastore_id: int, name: str, type: int = 0, *, total: int = 0, images: tuple[int, ...] = (), **template: object
) -> str:
    values = {
        "DS_MAD": "" if type == 1 else "fs",
        "TM_MAD": "shared",
        "BASE_PATH": f"/home/engine/datastores/{datastore_id}",
        "TYPE": type,
        "DISK_TYPE": 0,
        "STATE": 0,
    }
    room = {"TOTAL_MB": total, "FREE_MB": total // 4, "USED_MB": total - total // 4}
    ids = "".join(f"<ID>{image_id}</ID>" for image_id in images)
    return (
        f"<DATASTORE><ID>{datastore_id}</ID>{owner()}<NAME>{name}</NAME>{PERMISSIONS}{tags(values)}"
        f"<CLUSTERS><ID>0</ID></CLUSTERS>{tags(room)}<IMAGES>{ids}</IMAGES><TEMPLATE>{tags(template)}</TEMPLATE>"
        f"</DATASTORE>"
    )
