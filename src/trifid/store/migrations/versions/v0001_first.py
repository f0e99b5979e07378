"""The first tables.  A migration is history: it does not import the schema, which goes on changing."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables."""
    _create_objects()
    _create_networks()
    _create_accounts()
    _create_rest()


def _key(name: str, *more: sa.ForeignKey) -> "sa.Column[int]":
    return sa.Column(name, INT, *more, primary_key=True, autoincrement=False)


def _int(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=False)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _create_objects() -> None:
    op.create_table(
        "vms",
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
    alive, done = sa.text("state <> 6"), sa.text("state = 6")
    op.create_index("vms_alive", "vms", ["id"], sqlite_where=alive, postgresql_where=alive)
    op.create_index("vms_done", "vms", ["uid", "id"], sqlite_where=done, postgresql_where=done)
    op.create_table(
        "history",
        _key("vm_id", sa.ForeignKey("vms.id", ondelete="CASCADE")),
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
    op.create_table(
        "actions",
        _key("vm_id", sa.ForeignKey("vms.id", ondelete="CASCADE")),
        _int("step"),
        _text("family"),
        _text("verb"),
        sa.Column("previous", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "hosts",
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


def _create_networks() -> None:
    op.create_table(
        "networks",
        _key("id"),
        _int("uid"),
        _int("gid"),
        _text("name"),
        _int("state"),
        _text("bridge"),
        _text("vn_mad"),
        _text("body"),
    )
    op.create_table(
        "leases",
        _key("network_id", sa.ForeignKey("networks.id")),
        _key("range_id"),
        _key("idx"),
        _int("vm_id"),
        _int("mac"),
        sa.Column("ip", INT),
        sqlite_with_rowid=False,
    )


def _create_accounts() -> None:
    op.create_table(
        "users",
        _key("id"),
        _text("name"),
        _int("gid"),
        _text("auth_driver"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        _text("body"),
    )
    op.create_table("groups", _key("id"), _text("name"), _text("body"))


def _create_rest() -> None:
    op.create_table("counters", sa.Column("name", sa.Text(), primary_key=True), _int("next_id"))
    op.create_table(
        "journal",
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
    op.create_index("journal_object", "journal", ["kind", "object_id", "id"])
