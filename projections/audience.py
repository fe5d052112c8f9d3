"""The read model of audiences: who a send reaches as of any position, and who it leaves out and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from tocsin.domain import expression
from tocsin.domain.audience import Audience
from tocsin.domain.events.send import Exclusion
from tocsin.domain.expression import And, Expression, Not, Or, Tag
from tocsin.domain.platforms import PROVIDER_OF
from tocsin.projections.audience_fold import SCHEMA, STILL, AudienceProjection
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
    """The devices that matched as the record stood at position ``as_of``: the same answer at any later time.

    By provider, those that none reaches last, then by device. Rows are streamed over ``connection``, in a transaction
    that lasts as long as the iteration. ``digest``: the key ring's. Raises TooEarly; Invalid for an expression that
    does not parse.
    """
    with connection.transaction():
        if passed_schemas(connection, [SCHEMA]) < as_of:
            raise TooEarly(f"{SCHEMA} has not reached position {as_of}")
        statement, parameters = _statement(app_id, audience, as_of, digest)
        with connection.cursor(name="audience", binary=True) as cursor:
            cursor.itersize = _STREAMED
            cursor.execute(f'{statement} order by r.provider collate "C", d.device_id'.encode(), parameters)
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
    left join audience_v1.provider p on p.app_id = d.app_id and p.provider = r.provider and p.profile = 'default'
        and p.from_position <= %(at)s and p.to_position > %(at)s
    where d.app_id = %(app)s and d.from_position <= %(at)s and d.to_position > %(at)s"""

_DEVICE_AT = (
    "device_id from audience_v1.device where app_id = %(app)s and from_position <= %(at)s and to_position > %(at)s"
)
_TAGGED_AT = (
    "device_id from audience_v1.tagged where app_id = %(app)s and from_position <= %(at)s and to_position > %(at)s"
)


_ERASED_SINCE = """select from audience_v1.erased e
    where e.subject = user_id and e.position > user_position and e.position <= %(at)s"""


def _statement(app_id: UUID, audience: Audience, at: int, digest: Digest) -> tuple[str, dict[str, Any]]:
    known = {platform: provider for platform, provider in PROVIDER_OF.items() if provider}
    parameters: dict[str, Any] = {
        "app": app_id,
        "at": at,
        "platforms_known": list(known),
        "providers_known": list(known.values()),
    }
    statement = _MATCHED
    if not audience.everyone:
        selectors = list(_selectors(audience, digest, parameters)) or ["select null::uuid"]
        statement += f"\n    and d.device_id in ({' union '.join(selectors)})"
    if audience.platforms:
        statement += "\n    and d.platform = any(%(platforms)s)"
        parameters["platforms"] = list(audience.platforms)
    return statement, parameters


def _selectors(audience: Audience, digest: Digest, parameters: dict[str, Any]) -> Iterator[str]:
    """A query of device ids for each thing the audience names."""
    if audience.devices:
        parameters["devices"] = list(audience.devices)
        yield "select unnest(%(devices)s::uuid[])"
    if audience.users:
        # By the data subject, which a user is, not by the name: it outlives the erasure of the person. Whoever takes
        # the name afterwards is another one.
        parameters["users"] = [user.subject for user in audience.users]
        yield f"select {_DEVICE_AT} and user_id = any(%(users)s) and not exists ({_ERASED_SINCE})"
    if audience.aliases:
        parameters["aliases"] = [digest("alias", alias.value) for alias in audience.aliases if not alias.erased]
        yield f"select {_DEVICE_AT} and alias_digest = any(%(aliases)s::bytea[])"
    if audience.tags:
        parameters["tags"] = list(audience.tags)
        yield f"select {_TAGGED_AT} and tag = any(%(tags)s)"
    if audience.expression is not None:
        yield _expressed(expression.parse(audience.expression), parameters)


def _expressed(wanted: Expression, parameters: dict[str, Any]) -> str:
    """Devices by their tags, looking only at the tags that the expression names."""
    parameters["named"] = sorted(expression.names(wanted))
    condition = _compiled(wanted, parameters)
    tagged = f"select {_TAGGED_AT} and tag = any(%(named)s) group by device_id having "
    if not expression.matches(wanted, frozenset()):
        return f"({tagged}{condition})"
    # A device without any of these tags matches too: everybody but those whose tags say no.
    return f"(select {_DEVICE_AT} except {tagged} not {condition})"


def _compiled(wanted: Expression, parameters: dict[str, Any]) -> str:
    match wanted:
        case Tag(name):
            key = f"tag_{parameters['named'].index(name)}"
            parameters[key] = name
            return f"bool_or(tag = %({key})s)"
        case Not(term):
            return f"(not {_compiled(term, parameters)})"
        case And(left, right):
            return f"({_compiled(left, parameters)} and {_compiled(right, parameters)})"
        case Or(left, right):
            return f"({_compiled(left, parameters)} or {_compiled(right, parameters)})"
