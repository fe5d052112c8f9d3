"""One of Tocsin's roles as a process of its own, to be killed and frozen. What to run comes as JSON in argv[1]."""

from __future__ import annotations

import json
import logging
import sys
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from tocsin.eventlog.record import Record
from tocsin.eventlog.stopping import stop_on_signals
from tocsin.eventlog.stream.postgres import PostgresStream
from tocsin.projections import runner
from tocsin.projections.registry import NAMES
from tocsin.workers.delivery.drafts import Terms
from tocsin.workers.delivery.process import run_delivery, worker_name
from tocsin.workers.planner_process import run_planner
from tocsin.workers.scheduler import run_scheduler
from tocsin.workers.webhook_post import Policy
from tocsin.workers.webhooks import run_webhooks


def main(arguments: dict[str, Any]) -> None:
    """Run until told to stop."""
    logging.basicConfig(level=logging.WARNING)
    stop = stop_on_signals()
    url = arguments["database_url"]
    record = Record.open(url, Path(arguments["key_file"]))
    stream = PostgresStream(url)
    match arguments["role"]:
        case "deliver":
            terms = Terms(worker_name(), **arguments["terms"])
            run_delivery(record, stream, stop, providers=arguments["providers"], terms=terms)
        case "plan":
            run_planner(record, stream, stop, size=lambda _: arguments["chunk_size"])
        case "schedule":
            run_scheduler(record, url, stop)
        case "webhooks":
            policy = Policy(networks=(ip_network("127.0.0.0/8"),))
            run_webhooks(record, stream, stop, policy=policy, lease=timedelta(seconds=arguments["terms"]["lease"]))
        case "project":
            runner.run(stream, record, NAMES, stop)
    stream.close()
    record.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
