"""Certificates are kept like content, and found by their numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_CERTIFICATE = sa.text("part LIKE 'certificate.%'")


def upgrade() -> None:
    op.create_index("certificates", "blobs", ["part"], sqlite_where=_CERTIFICATE, postgresql_where=_CERTIFICATE)
