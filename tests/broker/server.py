"""One broker and controller in one process, on loopback, small."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from living import is_alive
from patience import PATIENCE
from ports import free_port

from broker.distribution import NoBroker, jars
from broker.identity import write_identity

# Standard input is a pipe to the tests' process: it ends when that does, however it ends, and the broker with it.
WITH_ITS_PARENT = '"$@" >&2 & echo $!; cat > /dev/null; kill -9 $! 2> /dev/null'

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={login} required user_{username}="{password}";
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location={identity}
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=2097152
auto.create.topics.enable=false
"""


class Broker:
    """A broker that can be killed and started again on the same port and data.

    ``bootstrap`` is its plain address; ``secure_bootstrap`` asks for TLS, with a certificate to be checked against the
    file ``authority``, and for ``username`` and ``password`` (SASL PLAIN).
    """

    def __init__(self) -> None:
        self._class_path = jars()
        self._home = Path(tempfile.mkdtemp(prefix="tocsin-kafka-"))
        self._properties = self._home / "server.properties"
        self._log = self._home / "log"
        port, secure = free_port(), free_port()
        self.bootstrap, self.secure_bootstrap = f"127.0.0.1:{port}", f"127.0.0.1:{secure}"
        self.username, self.password = "tocsin", secrets.token_urlsafe()
        self.authority, identity = write_identity(self._home)
        self._properties.write_text(
            PROPERTIES.format(
                port=port,
                secure=secure,
                controller=free_port(),
                data=self._home / "data",
                login="org.apache.kafka.common.security.plain.PlainLoginModule",
                username=self.username,
                password=self.password,
                identity=identity,
            )
        )
        self._format()
        self._shell: subprocess.Popen[str] | None = None
        self._pid = 0

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*self._java("kafka.tools.StorageTool"), "format", "-t", cluster, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoBroker(f"the broker's storage could not be formatted:\n{done.stdout}{done.stderr}")

    def _java(self, main: str) -> list[str]:
        memory = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=128m"]
        return ["java", *memory, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", self._class_path, main]

    def start(self) -> Broker:
        """Start it and wait until it serves."""
        command = [*self._java("kafka.Kafka"), str(self._properties)]
        with self._log.open("a") as log:
            self._shell = subprocess.Popen(
                ["sh", "-c", WITH_ITS_PARENT, "broker", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._shell.stdout is not None
        self._pid = int(self._shell.stdout.readline())
        self._wait()
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._serves():
            if time.monotonic() > deadline or not is_alive(self._pid):
                raise NoBroker(f"the broker did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    def _serves(self) -> bool:
        try:
            with KafkaAdminClient(bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=3000) as admin:
                admin.list_topics()
        except KafkaError:
            return False
        return True

    def kill(self) -> None:
        """What a power cut does to the process."""
        os.kill(self._pid, signal.SIGKILL)
        self._end_shell()

    def _end_shell(self) -> None:
        if self._shell is not None:
            self._shell.communicate()
            self._shell = None

    def destroy(self) -> None:
        """End it and remove its data."""
        self._end_shell()
        shutil.rmtree(self._home)
