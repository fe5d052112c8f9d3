"""Who is meant by an audience or by a segment's criteria, as SQL over the interval rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tocsin.domain import expression
from tocsin.domain.audience import Audience, Criteria
from tocsin.domain.expression import And, Expression, Not, Or, Tag
from tocsin.domain.properties import term
from tocsin.projections.audience_fold import property_digest
from tocsin.projections.projection import Digest

_AT = "app_id = %(app)s and from_position <= %(at)s and to_position > %(at)s"
_DEVICE_AT = f"device_id from audience_v1.device where {_AT}"
_TAGGED_AT = f"device_id from audience_v1.tagged where {_AT}"
_PROPERTY_AT = f"device_id from audience_v1.property where {_AT}"

_ERASED_SINCE = """select from audience_v1.erased e
    where e.subject = user_id and e.position > user_position and e.position <= %(at)s"""


class Query:
    """A query in the making. ``parameters``: those named when it was made, and one for each value it was given."""

    def __init__(self, *, digest: Digest, **parameters: Any) -> None:
        self.parameters = parameters
        self._digest = digest

    def conditions(self, audience: Audience) -> str:
        """What narrows the devices ``d`` to the audience."""
        found = []
        if not audience.everyone:
            selectors = list(self._selectors(audience)) or ["select null::uuid"]
            found.append(f"d.device_id in ({' union '.join(selectors)})")
        if audience.platforms:
            found.append(f"d.platform = any({self._bind(list(audience.platforms))})")
        if audience.through:
            found.append(f"d.through = any({self._bind(list(audience.through))})")
        found += [f"d.device_id in ({having})" for having in self._having(audience.properties)]
        return "".join(f"\n    and {condition}" for condition in found)

    def _bind(self, value: Any) -> str:
        name = f"value_{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s"

    def _selectors(self, audience: Audience) -> Iterator[str]:
        """A query of device ids for each thing the audience names."""
        if audience.devices:
            yield f"select unnest({self._bind(list(audience.devices))}::uuid[])"
        if audience.users:
            # By the data subject, which a user is, not by the name: it outlives the erasure of the person. Whoever
            # takes the name afterwards is another one.
            users = self._bind([user.subject for user in audience.users])
            yield f"select {_DEVICE_AT} and user_id = any({users}) and not exists ({_ERASED_SINCE})"
        if audience.aliases:
            digests = [self._digest("alias", alias.value) for alias in audience.aliases if not alias.erased]
            yield f"select {_DEVICE_AT} and alias_digest = any({self._bind(digests)}::bytea[])"
        yield from self._tagged(audience.tags, audience.expression)
        for segment in audience.segments:
            if segment.criteria is not None:
                yield self._meeting(segment.criteria)

    def _tagged(self, tags: Sequence[str], text: str | None) -> Iterator[str]:
        if tags:
            yield f"select {_TAGGED_AT} and tag = any({self._bind(list(tags))})"
        if text is not None:
            yield self._expressed(expression.parse(text))

    def _meeting(self, criteria: Criteria) -> str:
        """Devices that meet a segment's criteria."""
        tagged = " union ".join(self._tagged(criteria.tags, criteria.expression))
        query = f"select {_DEVICE_AT}" + (f" and device_id in ({tagged})" if tagged else "")
        if criteria.platforms:
            query += f" and platform = any({self._bind(list(criteria.platforms))})"
        return query + "".join(f" and device_id in ({having})" for having in self._having(criteria.properties))

    def _having(self, properties: Mapping[str, Sequence[Any]]) -> Iterator[str]:
        """For each property, the devices that have one of its values."""
        for name, values in properties.items():
            digests = [property_digest(self._digest, term(name, value)) for value in values]
            yield f"select {_PROPERTY_AT} and digest = any({self._bind(digests)}::bytea[])"

    def _expressed(self, wanted: Expression) -> str:
        """Devices by their tags, looking only at the tags that the expression names."""
        condition = self._compiled(wanted)
        named = self._bind(sorted(expression.names(wanted)))
        tagged = f"select {_TAGGED_AT} and tag = any({named}) group by device_id having "
        if not expression.matches(wanted, frozenset()):
            return f"({tagged}{condition})"
        # A device without any of these tags matches too: everybody but those whose tags say no.
        return f"(select {_DEVICE_AT} except {tagged} not {condition})"

    def _compiled(self, wanted: Expression) -> str:
        match wanted:
            case Tag(name):
                return f"bool_or(tag = {self._bind(name)})"
            case Not(inner):
                return f"(not {self._compiled(inner)})"
            case And(left, right):
                return f"({self._compiled(left)} and {self._compiled(right)})"
            case Or(left, right):
                return f"({self._compiled(left)} or {self._compiled(right)})"
