"""What a push costs: CPU and pushes a second of our transport, beside Go's HTTP/2 and Python's h2, in the same run.

    python benchmarks/transport.py [--pushes 20000] [--rounds 3] [--text 38]

Every contender runs as a process of its own against the Go stand-in, one after the other, round after round; the table
gives medians. CPU is the client's alone. A run in which a push is lost fails: with ``--text 3700`` the requests fill
the connection's flow-control window, which is where clients lose them. Needs Go 1.26 and openssl.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen
from uuid import UUID

import h2.connection
import h2.events
import jwt
import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tocsin.domain.message import Message
from tocsin.domain.payloads import apns_headers, apns_payload
from tocsin.workers.providers.apns import Apns
from tocsin.workers.providers.credentials import ApnsCredential
from tocsin.workers.providers.exchange import HttpRequest, Pool
from tocsin.workers.providers.gateway import Gateway
from tocsin.workers.providers.port import Push
from tocsin.workers.providers.transport import Transport

STUB = Path(__file__).parent / "pushstub"
ADVICE = "Leave the building by the nearest exit"
TOPIC, KEY_ID, TEAM_ID = "com.example.app", "ABC1234567", "TEAM123456"
IN_FLIGHT = 1000
CLAIM = 256


def device(number: int) -> str:
    return f"a{number:063x}"


class Meter:
    """Wall and CPU time of this process between entry and exit."""

    def __enter__(self) -> Meter:
        self.seconds, self.cpu = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(self, *_error: object) -> None:
        self.seconds += time.perf_counter()
        self.cpu += time.process_time()


def alarm(length: int) -> Message:
    return Message(title="Evacuate", body=(ADVICE * (length // len(ADVICE) + 1))[:length])


def tocsin(url: str, certs: Path, pushes: int, message: Message, meter: Meter) -> int:
    """Gateway, adapter and transport: what delivery uses."""
    credential = ApnsCredential(
        topic=TOPIC,
        base_url=url,
        ca_path=str(certs / "ca.pem"),
        signing_key=(certs / "apns.p8").read_text(),
        key_id=KEY_ID,
        team_id=TEAM_ID,
    )
    delivered = sent = 0
    with meter, Transport() as transport:
        gateway, provider = Gateway(transport), Apns(credential)
        while sent < pushes or gateway.in_flight:
            while sent < pushes and gateway.in_flight <= IN_FLIGHT:
                claim = range(sent, min(sent + CLAIM, pushes))
                gateway.send(provider, [one_push(number, message) for number in claim])
                sent = claim.stop
            delivered += sum(answer.status == 200 for answer in gateway.answers(5))
    return delivered


def one_push(number: int, message: Message) -> Push:
    return Push(index=number, push_id=UUID(int=number), token=device(number), message=message)


def transport_alone(url: str, certs: Path, pushes: int, message: Message, meter: Meter) -> int:
    """The transport with requests that were made beforehand."""
    pool = Pool(owner="benchmark", ca_path=str(certs / "ca.pem"))
    bearer = provider_token(certs)
    requests = [
        HttpRequest(
            url=f"{url}/3/device/{device(n)}", headers=header_lines(n, bearer), body=body(n, message), pool=pool
        )
        for n in range(pushes)
    ]
    delivered = sent = 0
    with meter, Transport() as transport:
        channel = transport.channel()
        while sent < pushes or channel.outstanding:
            while sent < pushes and channel.outstanding <= IN_FLIGHT:
                claim = requests[sent : sent + CLAIM]
                channel.submit_all([(request, None, time.monotonic() + 30) for request in claim])
                sent += len(claim)
            delivered += sum(result.status == 200 for result in channel.results(5))
    return delivered


def python_h2(url: str, certs: Path, pushes: int, message: Message, meter: Meter) -> int:
    """hyper's h2 on one blocking socket, with everything that is ready written at once."""
    context = ssl.create_default_context(cafile=str(certs / "ca.pem"))
    context.set_alpn_protocols(["h2"])
    host, port = url.removeprefix("https://").split(":")
    bearer = provider_token(certs)
    state = h2.connection.H2Connection()
    state.initiate_connection()
    delivered = sent = ended = 0
    with meter, context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as connection:
        connection.sendall(state.data_to_send())
        while ended < pushes:
            for event in state.receive_data(connection.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    delivered += (b":status", b"200") in [tuple(header) for header in event.headers]
                elif isinstance(event, h2.events.StreamEnded):
                    ended += 1
            while sent < pushes and sent - ended < IN_FLIGHT and state.outbound_flow_control_window > 4096:
                start_h2(state, host, sent, bearer, message)
                sent += 1
            connection.sendall(state.data_to_send())
    return delivered


def start_h2(state: h2.connection.H2Connection, host: str, number: int, bearer: str, message: Message) -> None:
    stream = state.get_next_available_stream_id()
    lines = (line.split(": ", 1) for line in header_lines(number, bearer))
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", host)]
    state.send_headers(stream, [*pseudo, (":path", f"/3/device/{device(number)}"), *((n, v) for n, v in lines)])
    state.send_data(stream, body(number, message), end_stream=True)


def provider_token(certs: Path) -> str:
    claims = {"iss": TEAM_ID, "iat": int(time.time())}
    return jwt.encode(claims, (certs / "apns.p8").read_text(), algorithm="ES256", headers={"kid": KEY_ID})


def header_lines(number: int, bearer: str) -> list[str]:
    headers = apns_headers(Message(), UUID(int=number), TOPIC, None)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return [*lines, "content-type: application/json", f"authorization: bearer {bearer}"]


def body(number: int, message: Message) -> bytes:
    return msgspec.json.encode(apns_payload(message, UUID(int=number)))


CONTENDERS: dict[str, Callable[[str, Path, int, Message, Meter], int]] = {
    "tocsin": tocsin,
    "transport alone": transport_alone,
    "h2": python_h2,
}
GO = "Go x/net/http2"


def run_contender(name: str, url: str, certs: Path, pushes: int, text: int) -> None:
    """In the contender's own process: run it, and print what it cost."""
    meter = Meter()
    delivered = CONTENDERS[name](url, certs, pushes, alarm(text), meter)
    print(json.dumps({"delivered": delivered, "seconds": meter.seconds, "cpu": meter.cpu}))


def measure(name: str, url: str, made: Path, pushes: int, text: int) -> dict[str, float]:
    """One run of one contender. Errors: SystemExit when a push was not delivered."""
    certs = made / "certs"
    environment = dict(os.environ)
    if name == GO:
        environment["PROVIDER_TOKEN"] = provider_token(certs)
        environment["PAYLOAD"] = body(0, alarm(text)).decode()
        sizes = ["-n", str(pushes), "-c", str(IN_FLIGHT)]
        command = [str(made / "client"), "-url", url, "-ca", str(certs / "ca.pem"), *sizes]
    else:
        options = ["--pushes", str(pushes), "--text", str(text), "--url", url, "--certs", str(certs)]
        command = [sys.executable, __file__, "--contender", name, *options]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    cost: dict[str, float] = json.loads(printed)
    if cost["delivered"] != pushes:
        raise SystemExit(f"{name} delivered {cost['delivered']} of {pushes} pushes")
    return cost


@contextmanager
def stand_in(directory: Path) -> Iterator[str]:
    """Builds and starts the Go stand-in and the Go client in ``directory``; yields the stand-in's address."""
    if shutil.which("go") is None or shutil.which("openssl") is None:
        raise SystemExit("this benchmark needs Go 1.26 or newer (https://go.dev/dl) and openssl")
    subprocess.run([STUB / "make-certs.sh", directory / "certs"], check=True, capture_output=True)
    for package, binary in ((".", "pushstub"), ("./client", "client")):
        subprocess.run(["go", "build", "-o", directory / binary, package], cwd=STUB, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [directory / "pushstub", "-addr", address, "-certs", directory / "certs"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        await_server(f"https://{address}", directory / "certs")
        yield f"https://{address}"
    finally:
        server.kill()
        server.wait()


def await_server(url: str, certs: Path) -> None:
    context = ssl.create_default_context(cafile=str(certs / "ca.pem"))
    for _ in range(100):
        try:
            with urlopen(f"{url}/stats", context=context):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the stand-in did not start")


def report(costs: dict[str, list[dict[str, float]]], pushes: int) -> None:
    reference = statistics.median(cost["cpu"] for cost in costs[GO])
    table = Table("client", "µs CPU a push", "of Go's", "pushes/s")
    for name, runs in costs.items():
        cpu = statistics.median(cost["cpu"] for cost in runs)
        rate = statistics.median(pushes / cost["seconds"] for cost in runs)
        table.add_row(name, f"{cpu / pushes * 1e6:.0f}", f"{cpu / reference:.2f}", f"{rate:,.0f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pushes", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--text", type=int, default=len(ADVICE), help="characters of the message's text")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--certs", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        run_contender(given.contender, given.url, given.certs, given.pushes, given.text)
        return
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in (GO, *CONTENDERS)}
    with tempfile.TemporaryDirectory() as made, stand_in(Path(made)) as url:
        for _ in track(range(given.rounds), "Sending"):
            for name, runs in costs.items():
                runs.append(measure(name, url, Path(made), given.pushes, given.text))
    report(costs, given.pushes)


if __name__ == "__main__":
    main()
