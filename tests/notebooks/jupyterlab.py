"""A JupyterLab of its own, and a browser that looks at it; nothing leaves the machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "quickstart"

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-default-apps",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

NO_NEWS = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab, or Notebook; ``path`` is where it shows a notebook."""

    port: int
    path: str = "lab/tree"

    @property
    def address(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def kernel_is_idle(self) -> bool:
        """Tell whether the notebook's kernel is idle and has a connection."""
        try:
            with urllib.request.urlopen(
                f"{self.address}/api/sessions?token={TOKEN}", timeout=10
            ) as answer:
                kernels = [session["kernel"] for session in json.load(answer)]
        except (urllib.error.URLError, ConnectionError):
            return False
        return any(k["execution_state"] == "idle" and k["connections"] > 0 for k in kernels)


@contextmanager
def jupyterlab(
    folder: Path, *, theme: str = "JupyterLab Light", application: str = "jupyterlab"
) -> Iterator[Lab]:
    """Run JupyterLab, or Notebook, on a folder, in a process group of its own, with settings of its own."""
    home = folder / ".jupyter-home"
    variables = {
        name: str(home / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "IPYTHONDIR",
        )
    }
    settings = Path(variables["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab"
    for name, values in {
        "apputils-extension/notification": NO_NEWS,
        "apputils-extension/themes": {"theme": theme},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    port = _free_port()
    command = [
        *(sys.executable, "-m", application, "--no-browser", "--ip=127.0.0.1", f"--port={port}"),
        *("--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", "--allow-root"),
        f"--ServerApp.root_dir={folder}",
        *(["--LabApp.extension_manager=readonly"] if application == "jupyterlab" else []),
    ]
    log = (home / "log").open("w")
    process = subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True
    )
    try:
        yield Lab(port) if application == "jupyterlab" else Lab(port, "notebooks")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
        log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def browser_page(width: int = 1280, height: int = 900) -> Iterator[Any]:
    """Open a page in a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def open_notebook(page: Any, lab: Lab, name: str) -> None:
    """Open a notebook and wait until its kernel takes cells."""
    url = f"{lab.address}/{lab.path}/{name}?token={TOKEN}&reset"
    for _ in range(60):
        try:
            page.goto(url)
            break
        except Exception as error:
            if "ERR_CONNECTION_REFUSED" not in str(error):
                raise
            page.wait_for_timeout(500)
    page.wait_for_selector(".jp-NotebookPanel-notebook")
    for _ in range(120):
        if lab.kernel_is_idle():
            return
        page.wait_for_timeout(250)
    raise AssertionError("the kernel did not become idle")


def run_all(page: Any, done: str) -> None:
    """Run all cells, and wait until a text is in an output."""
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    page.wait_for_selector(f".jp-OutputArea-output:has-text({json.dumps(done)})", timeout=120_000)
