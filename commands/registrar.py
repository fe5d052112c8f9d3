"""Which device a registration means, and what becomes of it and of those that stand in its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from tocsin.commands.engine import Change, Engine, Loaded
from tocsin.commands.ids import new_ids
from tocsin.commands.people import EXTERNAL_ID, TOKEN, token_digest, user
from tocsin.domain import device, group, usage
from tocsin.domain.device import ChangeToken, Device, RegisterDevice, RetireDevice, Subscribe, UpdateDevice
from tocsin.domain.entry import Fact
from tocsin.domain.errors import Conflict, Invalid, NotFound
from tocsin.domain.events.device import Retirement
from tocsin.domain.events.group import GroupLeft, Leaving
from tocsin.domain.group import Group, JoinGroup
from tocsin.domain.identity import DERIVED, group_stream_id
from tocsin.domain.personal import Personal
from tocsin.domain.platforms import provider_for
from tocsin.domain.rules import Command, between, text
from tocsin.domain.tags import tag_name
from tocsin.domain.usage import ReportUsage
from tocsin.eventlog.unit import Claim

ClaimKey = tuple[str, bytes]
"""The kind of a claim, and its digest."""


class Said(Command, frozen=True, kw_only=True):
    """What a client may say of a device, in clear. UNSET leaves as it was, None removes; ``tags`` are added.

    Which device is meant: the one of ``device_id``, or of ``external_id``, or the one that has ``token``, else a new
    one. A token that another device had moves here, and that device is retired.
    """

    platform: str
    device_id: UUID | None = None
    external_id: str | None = None
    token: str | UnsetType | None = UNSET
    user: str | UnsetType | None = UNSET
    alias: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    properties: dict[str, Any] | UnsetType | None = UNSET
    environment: str | UnsetType | None = UNSET
    attributes: dict[str, Any] = {}
    tags: tuple[str, ...] = ()


class Registration(Said, frozen=True, kw_only=True):
    """What a client says of a device, and how the API it speaks means it.

    ``tags_when_new``: added where the device is new, or was retired. ``token_scope``: within which the token is one
    device's (None: the app); it is fixed by the first registration. ``group``: of the user's devices, which holds at
    most ``group_limit``: the oldest of a full one is retired. ``seen``: it is noted once a day that the device
    registered, even where nothing changed.
    """

    tags_when_new: tuple[str, ...] = ()
    token_shape: bool = True
    token_scope: str | None = None
    group: str | None = None
    group_limit: int = 1000
    seen: bool = False


@dataclass(frozen=True, slots=True)
class DeviceResult:
    """A device as it stands after the command. ``created``: it did not exist before; ``changed``: something is new."""

    device_id: UUID
    app_id: UUID
    device: Device
    created: bool = False
    changed: bool = True


@dataclass(slots=True)
class _Open:
    """A device while a batch works on it: where it started, what it gained, how it stands."""

    loaded: Loaded[Device]
    facts: list[Fact]
    state: Device | None

    def decide(self, command: Any) -> None:
        """Carry out one more command."""
        for fact in device.decide(self.state, command):
            self.state = device.evolve(self.state, fact)
            self.facts.append(fact)


@dataclass(slots=True)
class _OpenGroup:
    """A user's group of devices, likewise."""

    loaded: Loaded[Group]
    facts: list[Fact]
    state: Group | None


class Registrar:
    """Decides a batch of registrations against one look at the record, each seeing what those before it did."""

    def __init__(self, engine: Engine, app_id: UUID, batch: Sequence[Registration]) -> None:
        self._engine = engine
        self._app_id = app_id
        self._held: dict[ClaimKey, UUID] = {}
        self._holds: dict[ClaimKey, UUID] = {}
        self._known: set[ClaimKey] = set()
        self._open: dict[UUID, _Open] = {}
        self._taken: set[UUID] = set()
        self._groups: dict[UUID, _OpenGroup] = {}
        self._seen: set[UUID] = set()
        self._tokens: dict[tuple[str, str, str | None], ClaimKey] = {}
        self._ids = new_ids(len(batch))
        self._look_up(self._keys(batch))
        self._load({line.device_id for line in batch if line.device_id})

    def register(self, registration: Registration) -> DeviceResult:
        """Decide one registration; on an error nothing of it remains."""
        device_id = self._meant(registration)
        opened = self._opened(device_id)
        _check_group(registration, opened.state)
        created = opened.state is None
        returns = opened.state is None or opened.state.retired is not None
        tags = (*registration.tags_when_new, *registration.tags) if returns else registration.tags
        commands: list[Any] = [self._command(device_id, registration)]
        commands += [Subscribe(tag=tag_name(tag, "tags")) for tag in tags]
        result = self._carry_out(device_id, registration, commands, created)
        if registration.group is not None:
            self._join(device_id, registration, returns)
        if registration.seen:
            self._seen.add(device_id)
        return result

    def update(self, registration: Registration, source: str) -> DeviceResult:
        """Decide a change to a device that exists."""
        assert registration.device_id is not None
        device_id = registration.device_id
        command = self._command(device_id, registration)
        commands: list[Any] = [
            UpdateDevice(
                user=command.user,
                alias=command.alias,
                phone=command.phone,
                properties=command.properties,
                environment=command.environment,
                attributes=command.attributes,
            )
        ]
        if command.token is not UNSET:
            shape = registration.token_shape
            commands.append(ChangeToken(token=command.token, source=source, token_shape=shape))
        return self._carry_out(device_id, registration, commands, created=False)

    @property
    def streams(self) -> set[UUID]:
        """Every stream the batch looked at."""
        return {*self._open, *self._groups}

    def changes(self) -> list[Change]:
        """What every device of the batch gained, and the groups they joined."""
        opened: list[_Open | _OpenGroup] = [*self._open.values(), *self._groups.values()]
        return [one.loaded.change(self._app_id, one.facts) for one in opened if one.facts] + self._reports()

    def claims(self) -> list[Claim]:
        """The claims that changed hands, each from its first holder to its last."""
        return [
            Claim(self._app_id, kind, digest, holder, self._held.get((kind, digest)))
            for (kind, digest), holder in self._holds.items()
            if holder != self._held.get((kind, digest))
        ] + [
            Claim(self._app_id, kind, digest, None, holder)
            for (kind, digest), holder in self._held.items()
            if (kind, digest) not in self._holds
        ]

    def _carry_out(
        self, device_id: UUID, registration: Registration, commands: Sequence[Any], created: bool
    ) -> DeviceResult:
        opened = self._opened(device_id)
        facts: list[Fact] = []
        state = opened.state
        for command in commands:
            for fact in device.decide(state, command):
                state = device.evolve(state, fact)
                facts.append(fact)
        assert state is not None
        self._settle_token(device_id, opened.state, state)
        if registration.external_id is not None:
            self._holds[self._external_key(registration.external_id)] = device_id
        opened.facts += facts
        opened.state = state
        return DeviceResult(device_id, self._app_id, state, created, bool(facts))

    def _settle_token(self, device_id: UUID, before: Device | None, after: Device) -> None:
        """A token has one device: it leaves the one that had it, which is then retired."""
        old, new = self._token_claim(before), self._token_claim(after)
        if old is not None and old != new and self._holds.get(old) == device_id:
            del self._holds[old]
        if new is None:
            return
        loser = self._holder(new)
        if loser is not None and loser != device_id:
            retiring = self._opened(loser)
            if retiring.state is not None:
                retiring.decide(RetireDevice(reason=Retirement.TOKEN_MOVED, moved_to=device_id))
        self._holds[new] = device_id

    def _join(self, device_id: UUID, registration: Registration, returns: bool) -> None:
        """Into the user's group; whoever has to make room is retired. A device that returns is the youngest again."""
        state = self._opened(device_id).state
        assert state is not None
        assert state.user is not None
        name, user_id = str(registration.group), state.user.subject
        opened = self._group(group_stream_id(user_id, name))
        members = opened.state.devices if opened.state is not None else ()
        self._load(set(members) - self._open.keys())
        gone = frozenset(one for one in members if (one == device_id and returns) or not self._belongs(one, user_id))
        limit = registration.group_limit
        joining = JoinGroup(user_id=user_id, name=name, device_id=device_id, limit=limit, gone=gone)
        for fact in group.decide(opened.state, joining):
            opened.state = group.evolve(opened.state, fact)
            opened.facts.append(fact)
            if isinstance(fact, GroupLeft) and fact.reason is Leaving.FULL:
                self._opened(fact.device_id).decide(RetireDevice(reason=Retirement.REPLACED))

    def _belongs(self, device_id: UUID, user_id: UUID) -> bool:
        state = self._opened(device_id).state
        return state is not None and state.retired is None and state.user is not None and state.user.subject == user_id

    def _group(self, stream_id: UUID) -> _OpenGroup:
        if stream_id not in self._groups:
            loaded = self._engine.load(stream_id, group)
            self._groups[stream_id] = _OpenGroup(loaded, [], loaded.state)
        return self._groups[stream_id]

    def _reports(self) -> list[Change]:
        """That the devices registered today, where that is not noted yet."""
        now = self._engine.clock()
        reports = [ReportUsage(device_id=device_id, now=now, registered=now) for device_id in self._seen]
        streams = {usage.stream_id(report): report for report in reports}
        noted = self._engine.record.apps_of(streams) if streams else {}
        return [
            Change(stream_id, self._app_id, 0, usage.decide(None, report), report.device_id)
            for stream_id, report in streams.items()
            if stream_id not in noted
        ]

    def _token_claim(self, state: Device | None) -> ClaimKey | None:
        if state is None or state.token is None or state.token.erased:
            return None
        return self._token_key(state.platform, state.token.value, state.token_scope)

    def _meant(self, registration: Registration) -> UUID:
        if registration.device_id is not None:
            self._check_id(registration.device_id, registration.external_id)
            return registration.device_id
        if registration.external_id is not None:
            return self._holder(self._external_key(registration.external_id)) or next(self._ids)
        if (claim := self._claim_of(registration)) is not None:
            return self._holder(claim) or next(self._ids)
        return next(self._ids)

    def _check_id(self, device_id: UUID, external_id: str | None) -> None:
        """Ids that follow from others (``domain.identity``) are those of streams to come: a device in the place of a
        send's next chunk would stop the send and whoever reads of it."""
        entries = () if device_id in self._taken else self._opened(device_id).loaded.entries
        if device_id in self._taken or (entries and entries[0].app_id != self._app_id):
            raise Conflict("this device id is taken: choose another", field="device_id")
        if not entries and device_id.version == DERIVED:
            raise Invalid("a device id of your own may not be a UUID of version 5: choose one of version 4 or 7",
                          field="device_id")  # fmt: skip
        if external_id is not None and self._holder(self._external_key(external_id)) not in (None, device_id):
            raise Conflict("another device has this external id", field="external_id")

    def _command(self, device_id: UUID, registration: Registration) -> RegisterDevice:
        def personal(value: Any) -> Any:
            return value if value is UNSET or value is None else Personal(device_id, value)

        name = registration.user
        return RegisterDevice(
            platform=registration.platform,
            token=personal(registration.token),
            user=user(self._engine.digest, self._app_id, name) if isinstance(name, str) else name,
            alias=personal(registration.alias),
            phone=personal(registration.phone),
            properties=personal(registration.properties),
            external_id=registration.external_id,
            environment=registration.environment,
            attributes=registration.attributes,
            token_shape=registration.token_shape,
            token_scope=registration.token_scope,
        )

    def _claim_of(self, registration: Registration) -> ClaimKey | None:
        if not isinstance(registration.token, str):
            return None
        return self._token_key(registration.platform, registration.token, registration.token_scope)

    def _token_key(self, platform: str, token: str, scope: str | None) -> ClaimKey:
        """What claims a token, digested once however often it is asked for."""
        named = (provider_for(platform) or platform, token, scope)
        key = self._tokens.get(named)
        if key is None:
            key = self._tokens[named] = (TOKEN, token_digest(self._engine.digest, *named))
        return key

    def _external_key(self, external_id: str) -> ClaimKey:
        return EXTERNAL_ID, self._engine.digest(EXTERNAL_ID, external_id)

    def _keys(self, batch: Sequence[Registration]) -> set[ClaimKey]:
        keys = {claim for line in batch if (claim := self._claim_of(line)) is not None}
        return keys | {self._external_key(line.external_id) for line in batch if line.external_id is not None}

    def _holder(self, key: ClaimKey) -> UUID | None:
        """Who holds a claim after what the batch did so far."""
        if key not in self._known:
            self._look_up({key})
        return self._holds.get(key)

    def _look_up(self, keys: set[ClaimKey]) -> None:
        """Find out who holds these claims, and load those devices."""
        found: dict[ClaimKey, UUID] = {}
        for kind in (TOKEN, EXTERNAL_ID):
            digests = [digest for wanted, digest in keys - self._known if wanted == kind]
            if digests:
                owners = self._engine.record.owners(self._app_id, kind, digests)
                found.update({(kind, digest): owner for digest, owner in owners.items()})
        self._known |= keys
        self._held.update(found)
        self._holds.update(found)
        self._load(set(found.values()) - self._open.keys())

    def _load(self, device_ids: set[UUID]) -> None:
        """Load devices, and find out who holds the tokens they have: they may have to be let go."""
        if not device_ids:
            return
        found = self._engine.record.load_many(device_ids)
        for device_id in device_ids - self._open.keys():
            try:
                loaded = Loaded(device_id, device, found.get(device_id, []))
            except NotFound:
                self._taken.add(device_id)
                continue
            self._open[device_id] = _Open(loaded, [], loaded.state)
        opened = [self._open[one] for one in device_ids if one in self._open]
        claims = {claim for one in opened if (claim := self._token_claim(one.loaded.state))}
        if claims - self._known:
            self._look_up(claims - self._known)

    def _opened(self, device_id: UUID) -> _Open:
        """A device of the batch; an id that nothing was loaded for is new."""
        opened = self._open.get(device_id)
        if opened is None:
            loaded: Loaded[Device] = Loaded(device_id, device, ())
            opened = self._open[device_id] = _Open(loaded, [], None)
        return opened


def _check_group(registration: Registration, state: Device | None) -> None:
    """Before anything is decided, as nothing is to remain of a registration that is refused. Raises Invalid."""
    if registration.group is None:
        return
    text(registration.group, "group", 255)
    between(registration.group_limit, "group_limit", 1, 1000)
    stays = registration.user is UNSET and state is not None and state.user is not None
    if not (stays or isinstance(registration.user, str)):
        raise Invalid("a device joins a group of its user's: say the user", field="user")
