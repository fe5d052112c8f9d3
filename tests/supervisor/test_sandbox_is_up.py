"""Which sandbox is up: one of this start, whatever the clock says."""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from tocsin.settings import Settings
from tocsin.up import Plan, processes


class Yes(BaseHTTPRequestHandler):
    """Says yes to everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_a_sandbox_of_this_start_is_told_from_a_former_one_though_the_clock_was_set_back(tmp_path: Path) -> None:
    plan = Plan(Settings(data=tmp_path), sandbox=True)
    plan.sandbox_directory.mkdir()
    file = plan.sandbox_directory / "providers.json"
    with HTTPServer(("127.0.0.1", 0), Yes) as server:
        Thread(target=server.serve_forever).start()
        said = json.dumps({"control_url": f"http://127.0.0.1:{server.server_port}"})
        file.write_text(said)
        (sandbox,) = (spec for spec in processes(plan) if spec.name == "sandbox")
        assert sandbox.ready is not None
        assert not sandbox.ready()
        (tmp_path / "new").write_text(said)
        an_hour_ago = file.stat().st_mtime - 3600
        os.utime(tmp_path / "new", (an_hour_ago, an_hour_ago))
        (tmp_path / "new").rename(file)
        assert sandbox.ready()
        server.shutdown()
