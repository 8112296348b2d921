"""Keys of applications, keys of access tokens, and tokens that were revoked."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ID = sa.String(64)
_WORD = sa.String(32)
_TIME = sa.BigInteger


def upgrade() -> None:
    """Make every table."""
    op.add_column("application", sa.Column("scopes", sa.Text))
    _create_client()
    _create_key()


def _create_client() -> None:
    op.create_table(
        "oauth_client",
        sa.Column("app_id", _ID, sa.ForeignKey("application.app_id"), primary_key=True),
        sa.Column("jwks", sa.Text),
        sa.Column("jwks_uri", sa.String(2048)),
    )
    op.create_table(
        "oauth_assertion",
        sa.Column("app_id", _ID, primary_key=True),
        sa.Column("jti_hash", _ID, primary_key=True),
        sa.Column("expires_at", _TIME, nullable=False),
    )
    op.create_index("oauth_assertion_by_end", "oauth_assertion", ["expires_at"])


def _create_key() -> None:
    state = op.create_table(
        "oauth_state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "version": 1}])
    op.create_table(
        "oauth_key",
        sa.Column("kid", _ID, primary_key=True),
        sa.Column("algorithm", _WORD, nullable=False),
        sa.Column("private_encrypted", sa.LargeBinary, nullable=False),
        sa.Column("public_jwk", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("retired_at", _TIME),
        sa.Column("verifies_until", _TIME),
    )
    op.create_table(
        "oauth_revocation",
        sa.Column("jti", _ID, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
    )
    op.create_index("oauth_revocation_by_version", "oauth_revocation", ["version"])
    op.create_index("oauth_revocation_by_end", "oauth_revocation", ["expires_at"])
