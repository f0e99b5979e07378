"""Security groups, clusters and templates of networks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create their tables."""
    op.create_table("security_groups", _key("id"), _int("uid"), _int("gid"), _text("name"), _text("body"))
    op.create_table("clusters", _key("id"), _text("name"), _text("body"))
    op.create_table("vn_templates", _key("id"), _int("uid"), _int("gid"), _text("name"), _int("regtime"), _text("body"))


def _key(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, primary_key=True, autoincrement=False)


def _int(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=False)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)
