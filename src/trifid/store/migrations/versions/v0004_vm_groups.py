"""VM groups."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create their table."""
    op.create_table(
        "vm_groups",
        sa.Column("id", INT, primary_key=True, autoincrement=False),
        _int("uid"),
        _int("gid"),
        _text("name"),
        _text("body"),
    )


def _int(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=False)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)
