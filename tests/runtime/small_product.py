"""A small product for the runner: `python small_product.py --var DIR`, as `make run` would.

Real servers (unless DATABASE_URL and so on are set), a small web process, and a worker that
forks, as Celery does, and whose child ignores every polite signal.
"""

import os
import sys
from collections.abc import Callable

from msp.embedded import plan
from msp.embedded.layout import Layout
from msp.embedded.run import main

WEB = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
STUBBORN_WORKER = """
import os, signal, time
if os.fork() == 0:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
while True:
    time.sleep(60)
"""
AGENT = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).touch()
while True:
    time.sleep(60)
"""
SIGNINS = """
import json, pathlib, sys
row = {"who": "Technician", "email": "tech@msp.example", "password": "a secret"}
pathlib.Path(sys.argv[1]).write_text(json.dumps([row]))
"""
FAILING = "import sys; print('line one'); sys.exit('OSError: No space left on device')"


def small_plan(layout: Layout, address: plan.Address, say: Callable[[str], None]) -> plan.Plan:
    """Return a plan with the runner's real servers and small programs."""
    environment = plan.product_environment(layout, address)
    servers = plan.embedded_servers(layout, environment, say)
    modules = layout.private / "modules"
    modules.mkdir(exist_ok=True)
    (modules / "stubborn_worker.py").write_text(STUBBORN_WORKER)
    step = FAILING if os.environ.get("SMALL_FAILS") else SIGNINS
    reported = layout.private / "reported"
    python = sys.executable
    return plan.Plan(
        environment=environment,
        servers=servers,
        steps=[plan.Step("signins", "Sign-ins", [python, "-c", step, str(layout.signins)])],
        programs=[
            plan.app("web", [python, "-c", WEB, str(address.port)]),
            plan.app(
                "worker",
                [python, "-m", "msp.embedded.prefork", "stubborn_worker"],
                death="KILL",
                variables={"PYTHONPATH": str(modules)},
            ),
        ],
        agent=plan.app("agent", [python, "-c", AGENT, str(reported)]),
        agent_reported=reported.exists,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], small_plan))
