"""Logging: JSON lines where no terminal listens, readable coloured lines where one does; secrets masked in both."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from tocsin.redaction import masked, masked_text

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""The id that ties together everything done for one request or one event; every line carries it while it is set."""

_TALKATIVE = ("kafka",)
"""Libraries that tell at INFO what goes as it should."""

_BUILT_IN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_FIXED = ("ts", "level", "role", "logger", "message", "correlation_id", "exception")
_ROLE_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}


def configure_logging(role: str, *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send this process's log, and what ends it unforeseen, to ``stream`` (standard error) as lines of ``role``.

    A second call replaces the first.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LogHandler)]:
        root.removeHandler(handler)
    root.addHandler(LogHandler(role, LogWriter(stream or sys.stderr)))
    root.setLevel(level)
    logging.captureWarnings(True)
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
    sys.excepthook = _log_the_end
    threading.excepthook = _log_the_end_of_a_thread


class Redaction(logging.Filter):
    """Masks secrets in a record's message, traceback and extra fields, for every handler that comes after."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = masked_text(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = masked_text(logging.Formatter().formatException(record.exc_info))
        for name in _extra_names(record):
            setattr(record, name, masked(getattr(record, name), name))
        return True


class LogWriter:
    """Writes log entries to a stream, one at a time from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._console = Console(file=stream, highlight=False, soft_wrap=True) if stream.isatty() else None

    def write(self, entry: Mapping[str, Any]) -> None:
        """Write an entry, for a person or as JSON."""
        if self._console is not None:
            self._undisturbed(partial(self._console.print, _readable(entry)))
        else:
            self._pass_on(json.dumps(entry, default=str, ensure_ascii=False))

    def write_line(self, role: str, line: str) -> None:
        """Write what a process of ``role`` put out: an entry of its own is kept as it is, other text becomes one."""
        entry = _entry_in(line)
        if entry is None:
            self.write(_entry_of_output(role, line))
        elif self._console is not None:
            self.write({"role": role, **entry})
        else:
            self._pass_on(line)

    def _pass_on(self, line: str) -> None:
        self._undisturbed(partial(self._put, line + "\n"))

    def _put(self, text: str) -> None:
        # In one call: another writer's text on the same stream must not come between a line and its end.
        self._stream.write(text)
        self._stream.flush()

    def _undisturbed(self, put: Callable[[], object]) -> None:
        """One entry at a time. A terminal that was closed or a broken pipe is no reason for a program to fail."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            put()


class LogHandler(logging.Handler):
    """Hands records to a writer as entries of one role."""

    def __init__(self, role: str, writer: LogWriter) -> None:
        super().__init__()
        self.addFilter(Redaction())
        self._role = role
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.write(_entry_of(record, self._role))
        except Exception:  # logging's own rule: a record that cannot be written must not end the program
            self.handleError(record)


def _entry_of(record: logging.LogRecord, role: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "ts": _timestamp(record.created),
        "level": record.levelname,
        "role": role,
        "logger": record.name,
        "message": record.getMessage(),
    }
    if (correlation := correlation_id.get()) is not None:
        entry["correlation_id"] = correlation
    if record.exc_text:
        entry["exception"] = record.exc_text
    return entry | {name: getattr(record, name) for name in _extra_names(record) if name not in entry}


def _entry_of_output(role: str, line: str) -> dict[str, Any]:
    now = _timestamp(datetime.now(UTC).timestamp())
    return {"ts": now, "level": "INFO", "role": role, "logger": "output", "message": masked_text(line)}


def _entry_in(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "message" in entry else None


def _extra_names(record: logging.LogRecord) -> list[str]:
    return [name for name in vars(record) if name not in _BUILT_IN]


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _readable(entry: Mapping[str, Any]) -> Text:
    role, level = str(entry.get("role", "")), str(entry.get("level", ""))
    text = Text()
    text.append(str(entry.get("ts", ""))[11:19] + " ", "dim")
    text.append(f"{role:<12} ", _ROLE_COLOURS[zlib.crc32(role.encode()) % len(_ROLE_COLOURS)])
    text.append(str(entry["message"]), _LEVEL_COLOURS.get(level, ""))
    for name, value in entry.items():
        if name not in _FIXED:
            text.append(f" {name}={value}", "dim")
    if "exception" in entry:
        text.append(f"\n{entry['exception']}", "dim")
    return text


def _log_the_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("tocsin").critical("ended by an error nobody handled", exc_info=(kind, error, trace))


def _log_the_end_of_a_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _log_the_end(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
