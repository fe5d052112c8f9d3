"""The read model of audiences: who a send reaches as of any position, and who it leaves out and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from tocsin.domain.audience import Audience
from tocsin.domain.events.send import Exclusion
from tocsin.domain.platforms import PROVIDER_OF
from tocsin.projections.audience_fold import SCHEMA, STILL, AudienceProjection
from tocsin.projections.audience_query import Query
from tocsin.projections.cursors import passed_schemas
from tocsin.projections.projection import Digest

__all__ = ["AudienceCounts", "AudienceProjection", "AudienceRow", "TooEarly", "count", "resolve"]

_STREAMED = 5000
_NOW = STILL - 1


class TooEarly(Exception):
    """The read model has not come as far as the position asked about. Wait until it has (``wait_for``), ask again."""


class AudienceRow(msgspec.Struct, frozen=True):
    """A device that matches. ``provider``: what reaches its platform, if any. ``exclusion``: why it is left out."""

    device_id: UUID
    platform: str
    provider: str | None
    exclusion: Exclusion | None


@dataclass(frozen=True, slots=True)
class AudienceCounts:
    """``by_provider``: devices that would be sent to. ``excluded``: devices left out, by reason."""

    by_provider: dict[str, int]
    excluded: dict[str, int]

    @property
    def audience(self) -> int:
        """Devices that would be sent to."""
        return sum(self.by_provider.values())


def resolve(
    connection: Connection[Any], app_id: UUID, audience: Audience, as_of: int, digest: Digest
) -> Iterator[AudienceRow]:
    """The devices that matched as the record stood at position ``as_of``: the same answer at any later time, but that a
    device erased since is no longer found by its alias or its properties.

    First those to send to, by provider and device, then those left out, by device. Rows are streamed over
    ``connection``, in a transaction that lasts as long as the iteration. ``digest``: the key ring's. Raises TooEarly;
    Invalid for an expression that does not parse.
    """
    with connection.transaction():
        if passed_schemas(connection, [SCHEMA]) < as_of:
            raise TooEarly(f"{SCHEMA} has not reached position {as_of}")
        statement, parameters = _statement(app_id, audience, as_of, digest)
        with connection.cursor(name="audience", binary=True) as cursor:
            cursor.itersize = _STREAMED
            cursor.execute(f"select * from ({statement}) matched {_ORDER}".encode(), parameters)
            for device_id, platform, provider, exclusion in cursor:
                yield AudienceRow(device_id, platform, provider, Exclusion(exclusion) if exclusion else None)


def count(
    connection: Connection[Any], app_id: UUID, audience: Audience, digest: Digest, as_of: int | None = None
) -> AudienceCounts:
    """How many devices match, as of a position or (None) now. Raises as ``resolve``."""
    if as_of is not None and passed_schemas(connection, [SCHEMA]) < as_of:
        raise TooEarly(f"{SCHEMA} has not reached position {as_of}")
    statement, parameters = _statement(app_id, audience, _NOW if as_of is None else as_of, digest)
    grouped = f"select provider, exclusion, count(*) from ({statement}) matched group by 1, 2 order by 1, 2"
    counts = AudienceCounts({}, {})
    for provider, exclusion, number in connection.execute(grouped.encode(), parameters).fetchall():
        side, key = (counts.by_provider, provider) if exclusion is None else (counts.excluded, exclusion)
        side[key] = side.get(key, 0) + number
    return counts


_ORDER = 'order by case when exclusion is null then provider end collate "C", device_id'

_MATCHED = """
    with reach as (
        select * from unnest(%(platforms_known)s::text[], %(providers_known)s::text[]) as r (platform, provider)
    )
    select d.device_id, d.platform, r.provider,
           case when d.retired then 'retired'
                when d.opted_out then 'opted-out'
                when not d.has_token then 'no-token'
                when p.provider is null then 'no-provider'
           end as exclusion
    from audience_v1.device d
    left join reach r on r.platform = d.platform
    left join audience_v1.provider p on p.app_id = d.app_id and p.provider = r.provider and p.profile = %(profile)s
        and p.from_position <= %(at)s and p.to_position > %(at)s
    where d.app_id = %(app)s and d.from_position <= %(at)s and d.to_position > %(at)s"""


def _statement(app_id: UUID, audience: Audience, at: int, digest: Digest) -> tuple[str, dict[str, Any]]:
    known = {platform: provider for platform, provider in PROVIDER_OF.items() if provider}
    query = Query(
        app=app_id,
        at=at,
        digest=digest,
        platforms_known=list(known),
        providers_known=list(known.values()),
        profile=audience.profile,
    )
    return _MATCHED + query.conditions(audience), query.parameters
