"""Access rules, virtual data centres, hooks and what they did, documents, quotas by default, the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "acls", _key("id"), _int("user_code"), _int("resource"), _int("rights"), _int("zone"), _text("body")
    )
    op.create_table("vdcs", _key("id"), _text("name"), _text("body"))
    op.create_table("hooks", _key("id"), _text("name"), _text("type"), _text("body"))
    op.create_table("documents", _key("id"), _int("uid"), _int("gid"), _text("name"), _int("type"), _text("body"))
    op.create_table("default_quotas", _key("id"), _text("body"))
    op.create_table(
        "hook_log",
        _key("hook_id"),
        _key("execution_id"),
        _int("timestamp"),
        _int("code"),
        _text("body"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
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
    op.create_index("audit_uid", "audit", ["uid", "id"])
    op.create_index("audit_object", "audit", ["object_id", "id"])


def _key(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, primary_key=True, autoincrement=False)


def _int(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=False)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)
