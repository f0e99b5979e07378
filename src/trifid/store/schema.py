"""The tables, for the store and for people who query the database.

Every object is a row with its key facts as columns and the whole record as JSON in `body`.  The
columns are copies for questions in SQL; only `body` (and the rows of leases, actions, counters and
journal, which have none) is read back.  Times are epoch seconds.  `vms.state` is the number of
`core.vm.states.VmState`: below 100 the outer STATE, else 300 + LCM_STATE, plus 1000 for a further
phase that the wire does not tell apart.

A change here needs a migration beside it; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

from trifid.core.vm.states import VmState

INT = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits in both: in SQLite every INTEGER is, and only that word makes the key the row's address."""

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_name)s",
    }
)


def _key(name: str, *more: ForeignKey) -> "Column[int]":
    return Column(name, INT, *more, primary_key=True, autoincrement=False)


def _int(name: str) -> "Column[int]":
    return Column(name, INT, nullable=False)


def _text(name: str) -> "Column[str]":
    return Column(name, Text, nullable=False)


def _key_of(name: str, other: str) -> "Column[int]":
    return Column(name, INT, ForeignKey(other), nullable=False)


IS_DONE = text(f"state = {VmState.DONE.value}")
IS_ALIVE = text(f"state <> {VmState.DONE.value}")
"""Written out, not bound: only so can a partial index serve the question."""

vms = Table(
    "vms",
    metadata,
    _key("id"),
    _int("uid"),
    _int("gid"),
    _text("name"),
    _int("state"),
    _int("cpu_percent"),
    _int("memory_mib"),
    _int("stime"),
    _int("etime"),
    _text("body"),
)
Index("vms_alive", vms.c.id, sqlite_where=IS_ALIVE, postgresql_where=IS_ALIVE)
Index("vms_done", vms.c.uid, vms.c.id, sqlite_where=IS_DONE, postgresql_where=IS_DONE)

history = Table(
    "history",
    metadata,
    _key("vm_id", ForeignKey("vms.id", ondelete="CASCADE")),
    _key("seq"),
    _int("host_id"),
    _text("hostname"),
    _int("stime"),
    _int("etime"),
    _int("action"),
    _int("uid"),
    _text("body"),
    sqlite_with_rowid=False,
)

hosts = Table(
    "hosts",
    metadata,
    _key("id"),
    _text("name"),
    _int("state"),
    _text("im"),
    _text("vmm"),
    _int("cluster_id"),
    _int("total_cpu_percent"),
    _int("total_memory_kib"),
    _text("body"),
)

networks = Table(
    "networks",
    metadata,
    _key("id"),
    _int("uid"),
    _int("gid"),
    _text("name"),
    _int("state"),
    _text("bridge"),
    _text("vn_mad"),
    _text("body"),
)

leases = Table(
    "leases",
    metadata,
    _key("network_id", ForeignKey("networks.id")),
    _key("range_id"),
    _key("idx"),
    _int("vm_id"),
    _int("mac"),
    Column("ip", INT),
    sqlite_with_rowid=False,
)
"""`vm_id` -1: held by nobody.  `mac` and `ip` are numbers: 48 and 32 bits."""

security_groups = Table("security_groups", metadata, _key("id"), _int("uid"), _int("gid"), _text("name"), _text("body"))

vm_groups = Table("vm_groups", metadata, _key("id"), _int("uid"), _int("gid"), _text("name"), _text("body"))

clusters = Table("clusters", metadata, _key("id"), _text("name"), _text("body"))

vn_templates = Table(
    "vn_templates", metadata, _key("id"), _int("uid"), _int("gid"), _text("name"), _int("regtime"), _text("body")
)

datastores = Table(
    "datastores",
    metadata,
    _key("id"),
    _int("uid"),
    _int("gid"),
    _text("name"),
    _int("type"),
    _int("state"),
    _text("ds_mad"),
    _text("tm_mad"),
    _text("body"),
)

images = Table(
    "images",
    metadata,
    _key("id"),
    _int("uid"),
    _int("gid"),
    _text("name"),
    _int("type"),
    _int("state"),
    _key_of("datastore_id", "datastores.id"),
    _int("size_mib"),
    _text("source"),
    _text("body"),
)

vm_templates = Table(
    "vm_templates", metadata, _key("id"), _int("uid"), _int("gid"), _text("name"), _int("regtime"), _text("body")
)

users = Table(
    "users",
    metadata,
    _key("id"),
    _text("name"),
    _int("gid"),
    _text("auth_driver"),
    Column("enabled", Boolean(create_constraint=False), nullable=False),
    _text("body"),
)

groups = Table("groups", metadata, _key("id"), _text("name"), _text("body"))

acls = Table(
    "acls",
    metadata,
    _key("id"),
    _int("user_code"),
    _int("resource"),
    _int("rights"),
    _int("zone"),
    _text("body"),
)

vdcs = Table("vdcs", metadata, _key("id"), _text("name"), _text("body"))

hooks = Table("hooks", metadata, _key("id"), _text("name"), _text("type"), _text("body"))

hook_log = Table(
    "hook_log",
    metadata,
    _key("hook_id"),
    _key("execution_id"),
    _int("timestamp"),
    _int("code"),
    _text("body"),
    sqlite_with_rowid=False,
)
"""What hooks did; not in memory."""

documents = Table(
    "documents", metadata, _key("id"), _int("uid"), _int("gid"), _text("name"), _int("type"), _text("body")
)

default_quotas = Table("default_quotas", metadata, _key("id"), _text("body"))
"""Row 0 is for users, row 1 for groups."""

actions = Table(
    "actions",
    metadata,
    _key("vm_id", ForeignKey("vms.id", ondelete="CASCADE")),
    _int("step"),
    _text("family"),
    _text("verb"),
    Column("previous", Boolean(create_constraint=False), nullable=False),
)
"""The outbox: driver actions not yet answered."""

image_actions = Table(
    "image_actions",
    metadata,
    _key("image_id", ForeignKey("images.id", ondelete="CASCADE")),
    _int("step"),
    _text("verb"),
)
"""What datastore drivers have not answered yet."""

counters = Table("counters", metadata, Column("name", Text, primary_key=True), _int("next_id"))

journal = Table(
    "journal",
    metadata,
    _key("id"),
    _int("at"),
    _text("kind"),
    _int("object_id"),
    _int("uid"),
    _text("what"),
    _text("old"),
    _text("new"),
    _text("text"),
)
"""Append-only."""
Index("journal_object", journal.c.kind, journal.c.object_id, journal.c.id)

audit = Table(
    "audit",
    metadata,
    _key("id"),
    _int("at"),
    _text("request_id"),
    _int("uid"),
    _text("user_name"),
    _text("peer"),
    _text("method"),
    _int("object_id"),
    _text("arguments"),
    _int("code"),
    _text("text"),
    _text("ground"),
)
"""Append-only; not in memory."""
Index("audit_uid", audit.c.uid, audit.c.id)
Index("audit_object", audit.c.object_id, audit.c.id)
