"""A running sandbox from outside: its addresses and credentials, and its control port as Python."""

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

START_SECONDS = 120.0
STOP_SECONDS = 30.0


class SandboxError(RuntimeError):
    """The sandbox did not start, or refused a call; the message is its own."""


class SandboxHandle:
    """A sandbox that runs, here or in another process. ``providers`` is what its ``providers.json`` says."""

    def __init__(self, providers: dict[str, Any], process: "subprocess.Popen[bytes] | None" = None) -> None:
        self.providers = providers
        self.control_url: str = providers["control_url"]
        self.push_url: str = providers["push_url"]
        self.development_url: str = providers["apns"]["development_url"]
        self.ca_path = Path(providers["ca_path"])
        self._process = process

    def received(self, **filters: str | int) -> list[dict[str, Any]]:
        """What the fake devices received, in order of arrival.

        ``provider``; ``token`` (the whole of it); ``contains`` (part of a token); ``since`` (a sequence number, itself
        excluded); ``limit``; ``answer``: "accepted" (the default), "refused" or "all".
        """
        return self._get("/received", filters)  # type: ignore[no-any-return]

    def devices(self, **filters: str | int) -> list[dict[str, Any]]:
        """The fake devices with their counters, the last one pushed to first. Filters as for ``received``."""
        return self._get("/devices", filters)  # type: ignore[no-any-return]

    def stats(self) -> dict[str, Any]:
        """Counters: ``total`` push requests, ``by_provider``, ``by_answer``, ``distinct_tokens``, and more."""
        return self._get("/stats", {})  # type: ignore[no-any-return]

    def fault(self, **spec: Any) -> dict[str, Any]:
        """Script a fault, for example ``fault(provider="apns", status=503, retry_after=2, times=1)``."""
        return self._call("POST", "/faults", spec)  # type: ignore[no-any-return]

    def faults(self) -> list[dict[str, Any]]:
        """The scripted faults, each with its ``hits`` and what is ``remaining``."""
        return self._get("/faults", {})  # type: ignore[no-any-return]

    def clear_faults(self) -> None:
        """Remove all scripted faults."""
        self._call("DELETE", "/faults", None)

    def set(self, **settings: float | bool) -> dict[str, Any]:
        """Change settings: ``latency_ms``, ``access_token_seconds``, ``prefix_faults``."""
        return self._call("POST", "/settings", settings)  # type: ignore[no-any-return]

    def reset(self) -> None:
        """Forget what was received, the counters, the faults and the device groups; settings as at the start."""
        self._call("POST", "/reset", None)

    def stop(self) -> None:
        """Stop a sandbox that ``start_in_subprocess`` started; harmless where it has stopped."""
        if self._process is not None:
            _stop(self._process)

    def _get(self, path: str, parameters: dict[str, str | int]) -> Any:
        return self._call("GET", f"{path}?{urlencode(parameters)}" if parameters else path, None)

    def _call(self, method: str, path: str, document: Any) -> Any:
        body = None if document is None else json.dumps(document)
        with contextlib.closing(http.client.HTTPConnection(urlsplit(self.control_url).netloc)) as connection:
            connection.request(method, path, body)
            response = connection.getresponse()
            content = response.read()
        if response.status >= 400:
            raise SandboxError(json.loads(content)["error"])
        return json.loads(content) if content else None


def start_in_subprocess(directory: Path, *arguments: str) -> SandboxHandle:
    """Start ``python -m tocsin.sandbox`` with these further arguments, and wait until it serves.

    The process ends with ``SandboxHandle.stop``, and also by itself when this process ends. Raises SandboxError with
    what it printed if it does not come up.
    """
    command = [sys.executable, "-m", "tocsin.sandbox", "--dir", str(directory), "--until-stdin-closes", *arguments]
    # A file takes any amount of output; a pipe that nobody reads would stop the sandbox when it is full.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=output)
        try:
            return SandboxHandle(_await_providers(directory / "providers.json", process, output), process)
        except BaseException:
            _stop(process)
            raise


@contextlib.contextmanager
def running_sandbox(directory: Path, *arguments: str) -> Iterator[SandboxHandle]:
    """A sandbox in a process of its own, stopped at the end of the block.

    ``arguments`` are those of ``python -m tocsin.sandbox``, such as ``"--latency-ms", "50"``.
    """
    handle = start_in_subprocess(directory, *arguments)
    try:
        yield handle
    finally:
        handle.stop()


def _await_providers(path: Path, process: "subprocess.Popen[bytes]", output: IO[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            providers: dict[str, Any] = json.loads(path.read_text())
            # A file of an earlier run has another process id.
            if providers["pid"] == process.pid:
                return providers
        if process.poll() is not None:
            raise SandboxError(f"the sandbox did not start: {_last_words(output)}")
        time.sleep(0.02)
    raise SandboxError(f"the sandbox did not start within {START_SECONDS:.0f} seconds")


def _last_words(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace").strip()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
