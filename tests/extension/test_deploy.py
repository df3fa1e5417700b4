"""``%deploy`` shows a plan, and does it when that is said."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine.deploy import Deployed, Plan
from tests.certificates import make_certificates, needs_openssl
from tests.deploy.strict_server import TOKEN, StrictServer, strict_server
from tests.extension.conftest import HOT_ROOMS, Notebook


class CallbackLoop:
    """An event loop whose callbacks are made one by one."""

    def __init__(self) -> None:
        self._callbacks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def add_callback(self, callback: Callable[..., None], *arguments: object) -> None:
        """Keep a callback until `next`."""
        self._callbacks.put(lambda: callback(*arguments))

    def next(self) -> None:
        """Make the next callback, once there is one."""
        self._callbacks.get(timeout=30)()


@pytest.fixture
def server() -> Iterator[StrictServer]:
    """A server as strict as the original."""
    with strict_server(StrictServer()) as state:
        yield state


@pytest.fixture
def ready(notebook: Notebook) -> Notebook:
    """A notebook with rows, a plugin, and the token in a variable."""
    notebook.run("%%write house\nhome,room=Attic temp=21.5")
    notebook.run(HOT_ROOMS)
    notebook.shell.user_ns["token"] = TOKEN
    return notebook


def test_deploy_shows_the_plan_alone(ready: Notebook, server: StrictServer) -> None:
    """Without --yes nothing is changed, and the result says what does it."""
    shown = ready.run(f"%deploy hot_rooms --to {server.url} --token $token")
    assert "+ trigger house/hot_rooms: new" in shown.text()
    assert "nothing was changed; --yes, or the button, does it" in shown.text()
    assert TOKEN not in shown.text() + str(shown.html())
    assert server.changes() == []
    assert "&lt;" not in str(shown.html())
    assert "<li><span" in str(shown.html())


def test_deploy_does_it_when_told(ready: Notebook, server: StrictServer) -> None:
    """With --yes the plan is shown and carried out, step by step; again, all is the same."""
    ready.shell.display_pub.bundles.clear()
    done = ready.run(f"%deploy hot_rooms --to {server.url} --token $token --yes")
    assert "what is there is what was asked for" in done.text()
    assert "dry run of hot_rooms: ran" in done.text()
    assert "<li>create trigger house/hot_rooms</li>" in str(done.html())
    asking, _, plan, *steps = ready.shown
    assert asking == f"deploy to {server.url}\n  asking what is there"
    assert plan.startswith("deploy hot_rooms.py to http")
    assert "  create trigger house/hot_rooms\n  looking at what is there" in steps[-2], (
        "it shows as it goes"
    )
    assert steps[-1] == "", "and is gone at the end"
    assert ("house", "hot_rooms") in server.triggers
    again = ready.run(f"%deploy hot_rooms --to {server.url} --token $token --yes")
    assert "all was the same; nothing was done" in again.text()


def test_deploy_says_what_failed(ready: Notebook, server: StrictServer) -> None:
    """A failure is a usage error with what is left on the server."""
    server.log_on_create = "boom"
    said = ready.fails(f"%deploy hot_rooms --to {server.url} --token $token --yes")
    assert "has logged an error since: boom" in said
    assert "put back, but for:\n  database house was created and stays" in said
    assert server.triggers == {}


def test_deploy_refuses_misuse(ready: Notebook, server: StrictServer) -> None:
    """An unknown plugin, a missing variable or server, and a wrong node spec are told with what is accepted."""
    assert "no plugin 'hot_room'; did you mean hot_rooms?" in ready.fails(
        f"%deploy hot_room --to {server.url} --token $token"
    )
    assert "neither the notebook nor the environment has a text 'no'" in ready.fails(
        f"%deploy hot_rooms --to {server.url} --token $no"
    )
    assert "the following arguments are required: --to" in ready.fails("%deploy hot_rooms")
    assert "node spec cannot be 'x'; accepted: all, or nodes:" in ready.fails(
        f"%deploy hot_rooms --to {server.url} --node-spec x"
    )


def test_deploy_interrupted_before_anything(
    ready: Notebook, server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt while the server is asked what is there changes nothing, and says so."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("procengine.deploy.plan.read_state", interrupt)
    said = ready.fails(f"%deploy hot_rooms --to {server.url} --token $token --yes")
    assert said == "interrupted; nothing was changed"
    assert server.changes() == []


def test_deploy_to_a_server_that_hangs(ready: Notebook, server: StrictServer) -> None:
    """A request ends with its time, and the text says which option allows more."""
    server.hang_at = 0
    said = ready.fails(f"%deploy hot_rooms --to {server.url} --token $token --timeout 300ms")
    assert said == f"{server.url} did not answer within 0.3 seconds; --timeout allows it more"


@needs_openssl
def test_deploy_trusts_an_authority_of_its_own(
    ready: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of a private authority is refused, and trusted by --tls-ca, by the variable, or unseen."""
    certificates = make_certificates(tmp_path)
    with strict_server(StrictServer(), certificates.context()) as server:
        line = f"%deploy hot_rooms --to {server.url} --token $token"
        refused = ready.fails(line)
        assert "unable to get local issuer certificate; name its authority by --tls-ca" in refused
        assert server.asked == []
        assert "+ trigger" in ready.run(f"{line} --tls-no-verify").text()
        assert "deployed" in ready.run(f"{line} --tls-ca {certificates.authority} --yes").text()
        monkeypatch.setenv("INFLUXDB3_TLS_CA", str(certificates.authority))
        assert "all is the same" in ready.run(line).text()


def test_deploy_completes(ready: Notebook, tmp_path: Path) -> None:
    """Plugins, the addresses that triggers use, and options are offered."""
    (tmp_path / "p.py").write_text(ready.engine.plugins.load("hot_rooms.py").texts["hot_rooms.py"])
    ready.run(f"%procengine restart --object-store memory --plugin-repo {tmp_path}")
    ready.engine.catalog.create_database("house")
    ready.engine.triggers.create("house", "elsewhere", "gh:p.py", "table:home")
    completer = ready.shell.magics_manager.registry["ProcengineMagics"].loaded.completer
    offered = [one.text for one in completer.candidates("%deploy ")[1]]
    assert {"hot_rooms", "gh:p.py"} <= {*offered}
    assert "--node-spec" in [one.text for one in completer.candidates("%deploy hot_rooms --no")[1]]


def test_the_button_does_what_is_shown(ready: Notebook, server: StrictServer) -> None:
    """Pressed, it deploys; where the plugin has changed since, it shows that first, and then deploys."""
    from procengine_jupyter.deploy_panel import DeployPanel

    offer = ready.run(f"%deploy hot_rooms --to {server.url} --token $token")
    panel = DeployPanel(offer.plan, offer.look, offer.do)
    path = ready.engine.plugins.folder / "hot_rooms.py"
    path.write_text(path.read_text() + "# more\n")
    panel.deploy.click()
    assert "This has changed since it was shown" in panel.body.value
    assert server.changes() == []
    panel.deploy.click()
    assert "deployed" in panel.body.value
    assert server.files["hot_rooms.py"][0].endswith("# more\n")
    assert panel.deploy.layout.display == "none"


def test_the_stop_button_of_a_deployment_puts_back_what_was_done(
    ready: Notebook, server: StrictServer
) -> None:
    """It ends before the next step, and says what is left."""
    from procengine_jupyter.deploy_panel import DeployPanel

    offer = ready.run(f"%deploy hot_rooms --to {server.url} --token $token")
    told: list[str] = []

    def carry_out(plan: Plan, tell: Callable[[str], None]) -> Deployed:
        def stop_at_trigger(step: str) -> None:
            told.append(step)
            if step.startswith("create trigger"):
                panel.stop.click()
            tell(step)

        return offer.do(plan, stop_at_trigger)

    panel = DeployPanel(offer.plan, offer.look, carry_out)
    panel.deploy.click()
    assert told[-2:] == ["create trigger house/hot_rooms", "rolling back"]
    assert "deployment failed at: create trigger house/hot_rooms: stopped" in panel.body.value
    assert "database house was created and stays" in panel.body.value
    assert server.triggers == {}
    assert panel.stop.layout.display == "none"


def test_a_deployment_leaves_the_kernels_thread_free(ready: Notebook, server: StrictServer) -> None:
    """It is done on a thread of its own; what came of it is shown by the kernel's loop."""
    from procengine_jupyter.deploy_panel import DeployPanel

    offer = ready.run(f"%deploy hot_rooms --to {server.url} --token $token")
    loop = CallbackLoop()
    threads: list[threading.Thread] = []

    def carry_out(plan: Plan, tell: Callable[[str], None]) -> Deployed:
        threads.append(threading.current_thread())
        return offer.do(plan, tell)

    panel = DeployPanel(offer.plan, offer.look, carry_out, loop=loop)
    panel.deploy.click()
    assert "deployed" not in panel.body.value
    said = []
    while panel.deploy.layout.display != "none":
        loop.next()
        said.append(panel.deploy.description)
    assert "deployed" in panel.body.value
    assert "create trigger house/hot_rooms" in said
    assert threads != [threading.main_thread()]
