"""What the vault holds."""

from __future__ import annotations

from uuid import UUID

from tocsin.commands.engine import Engine


def is_kept(engine: Engine, secret_id: UUID | None) -> bool:
    """Whether the vault has a secret still."""
    assert secret_id is not None
    try:
        engine.record.vault.open(secret_id)
    except KeyError:
        return False
    return True


def kept(engine: Engine) -> set[UUID]:
    """The ids of all that is in the vault."""
    with engine.record.sessions.connection() as connection:
        return {secret_id for (secret_id,) in connection.execute("select secret_id from record.vault").fetchall()}
