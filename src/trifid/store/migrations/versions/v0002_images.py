"""Images, datastores and VM templates."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "datastores",
        _key("id"),
        *_owned(),
        _int("type"),
        _int("state"),
        _text("ds_mad"),
        _text("tm_mad"),
        _text("body"),
    )
    op.create_table(
        "images",
        _key("id"),
        *_owned(),
        _int("type"),
        _int("state"),
        sa.Column("datastore_id", INT, sa.ForeignKey("datastores.id"), nullable=False),
        _int("size_mib"),
        _text("source"),
        _text("body"),
    )
    op.create_table("vm_templates", _key("id"), *_owned(), _int("regtime"), _text("body"))
    op.create_table(
        "image_actions",
        _key("image_id", sa.ForeignKey("images.id", ondelete="CASCADE")),
        _int("step"),
        _text("verb"),
    )


def _key(name: str, *more: sa.ForeignKey) -> "sa.Column[int]":
    return sa.Column(name, INT, *more, primary_key=True, autoincrement=False)


def _int(name: str) -> "sa.Column[int]":
    return sa.Column(name, INT, nullable=False)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _owned() -> tuple["sa.Column[int]", "sa.Column[int]", "sa.Column[str]"]:
    return _int("uid"), _int("gid"), _text("name")
