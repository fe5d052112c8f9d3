"""What was fixed about the stream at set-up, kept in the record's schema."""

from __future__ import annotations

from tocsin.eventlog.stream.tail import Tail

DEFAULT_PARTITIONS = 8


def fix_partitions(tail: Tail, wanted: int | None) -> int:
    """The number of partitions; the first call ever decides it. ``ValueError`` when ``wanted`` is another."""
    tail.rows(
        "insert into record.stream_settings (partitions) select %s"
        " where not exists (select from record.stream_settings) on conflict do nothing returning true",
        wanted or DEFAULT_PARTITIONS,
    )
    ((fixed,),) = tail.rows("select partitions from record.stream_settings")
    if wanted not in (None, fixed):
        raise ValueError(f"the stream was set up with {fixed} partitions, which cannot change: ask for {fixed}")
    return int(fixed)


def group_id(tail: Tail, group: str, topic: str) -> int:
    """The number of a group on a topic, given to it when it is first seen."""
    tail.rows(
        "insert into record.stream_groups (group_name, topic) select %s, %s"
        " where not exists (select from record.stream_groups where group_name = %s and topic = %s)"
        " on conflict do nothing returning true",
        *(group, topic, group, topic),
    )
    ((number,),) = tail.rows("select id from record.stream_groups where group_name = %s and topic = %s", group, topic)
    return int(number)


def topics_in_use(tail: Tail) -> list[str]:
    """Every topic some group has subscribed to."""
    return [topic for (topic,) in tail.rows("select distinct topic from record.stream_groups")]
