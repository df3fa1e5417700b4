"""How does a plugin get from a folder to a server, in a terminal?

The engine of the data folder is stopped meanwhile, or never ran here: its catalog is read, under its lock, and
nothing of it is started. Without ``--yes`` the plan is all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from procengine.cli.grammar import Arity, Command, Option, Positional
from procengine.cli.parser import Invocation
from procengine.cli.values import parse_period_ns
from procengine.errors import InvalidInputError, OperationRefusedError
from procengine.model.duration import SECOND
from procengine.model.node_spec import parse_node_spec
from procengine.remote import RemoteServer

if TYPE_CHECKING:
    import pyarrow as pa

    from procengine.catalog import Catalog
    from procengine.deploy import Deployed
    from procengine.processing.plugin_registry import PluginRegistry

Tell = Callable[[str], None]


def _placement(text: str) -> str:
    return text if text == "auto" else parse_node_spec(text)


DEPLOY = Command(
    words=("deploy",),
    about="show what bringing a plugin from here to a server would change there; with --yes do it",
    options=(
        Option(name="--to", about="the server's URL", required=True),
        Option(name="--token", about="admin token of the server", variable="INFLUXDB3_AUTH_TOKEN"),
        Option(
            name="--plugin-dir",
            about="folder with the plugin",
            variable="INFLUXDB3_PLUGIN_DIR",
            required=True,
        ),
        Option(
            name="--data-dir",
            about="folder of the engine that has the plugin's triggers",
            variable="INFLUXDB3_DB_DIR",
            required=True,
        ),
        Option(name="--yes", arity=Arity.FLAG, about="do it"),
        Option(name="--package", arity=Arity.LIST, about="packages that the plugin imports"),
        Option(
            name="--node-spec",
            about="nodes of a cluster: all, nodes:<NODE>[,<NODE>], or auto by the kinds of the triggers",
            parse=_placement,
        ),
        Option(name="--lp", about="line protocol that write triggers are tried with on the server"),
        Option(name="--no-dry-run", arity=Arity.FLAG, about="do not try the plugin on the server"),
        Option(
            name="--timeout",
            parse=parse_period_ns,
            default="1m",
            about="how long the server may take for a request; 15m for packages",
        ),
        Option(
            name="--plugin-repo",
            about="where gh: plugins come from here: an address or a folder",
            variable="INFLUXDB3_PLUGIN_REPO",
        ),
        Option(
            name="--tls-ca",
            about="certificate authority that is trusted too",
            variable="INFLUXDB3_TLS_CA",
        ),
        Option(name="--tls-no-verify", arity=Arity.FLAG, about="check no certificate"),
    ),
    positional=Positional(
        name="NAME", about="plugin: its file, with or without .py, its folder or its address"
    ),
)


@dataclass(frozen=True, slots=True)
class StoppedEngine:
    """The plugins and the catalog of an engine that does not run; its rows are not read."""

    plugins: PluginRegistry
    catalog: Catalog

    def query(self, sql: str, database: str) -> pa.Table:
        """Refuse.

        Raises: OperationRefusedError.
        """
        raise OperationRefusedError(f"the engine is stopped, and answers nothing: {sql} of {database}")


def deploy_plugin(invocation: Invocation, tell: Tell) -> None:
    """Tell the plan of a deployment, and carry it out where that is said.

    Raises:
        DataFolderLockedError: the engine runs; the text names its process.
        ProcengineError: the plugin, or the server, cannot be had; or the deployment failed.
    """
    from procengine.deploy import Records, bundle_of, deploy, make_plan, plan_text

    said = invocation.values
    server = RemoteServer(
        said["to"],
        token=said["token"],
        tls_ca=said["tls_ca"],
        tls_no_verify=said["tls_no_verify"],
        request_seconds=said["timeout"] / SECOND,
    )
    records = Records(Path(said["data_dir"]))
    with _stopped(Path(said["data_dir"]), Path(said["plugin_dir"]), said["plugin_repo"]) as engine:
        bundle = bundle_of(engine, said["name"], packages=said["package"] or ())
    if said["lp"] is not None:
        places = {(one.database, one.name): said["lp"] for one in bundle.triggers}
        bundle = replace(bundle, samples=places)
    plan = make_plan(server, said["to"], bundle, records.of(said["to"]), node_spec=said["node_spec"])
    tell(plan_text(plan))
    if not said["yes"]:
        if not (plan.is_empty or plan.problems):
            tell("nothing was changed; --yes does it")
        return
    _tell_outcome(deploy(server, plan, records, dry_run=not said["no_dry_run"], tell=tell), tell)


def _tell_outcome(done: Deployed, tell: Tell) -> None:
    if done.beside:
        tell(f"stays there, used by nothing: {', '.join(done.beside)}")
    tell("deployed" if done.steps else "nothing was done")


@contextmanager
def _stopped(data_dir: Path, plugin_dir: Path, repository: str | None) -> Iterator[StoppedEngine]:
    """Read the catalog of a data folder, locked meanwhile; ``repository`` is that of ``gh:`` plugins.

    Raises: InvalidInputError: one of the folders is not there.
    """
    from procengine.catalog import Catalog
    from procengine.clock import SystemClock
    from procengine.data_folder import DataFolder
    from procengine.processing.fetched_plugins import FetchedPlugins, Pins
    from procengine.processing.plugin_registry import PluginRegistry

    for option, path in (("--data-dir", data_dir), ("--plugin-dir", plugin_dir)):
        if not path.is_dir():
            raise InvalidInputError(f"{option} {str(path)!r} is no folder")
    folder = DataFolder(data_dir)
    folder.open()
    clock = SystemClock()
    catalog = Catalog(folder.catalog, clock=clock)

    def pin_of(address: str) -> str | None:
        return catalog.state.pins.get(address)

    pins = Pins(get=pin_of, put=catalog.pin_plugin)
    fetched = FetchedPlugins(plugin_dir, clock, pins, repository=repository)
    registry = PluginRegistry(plugin_dir, fetched=fetched)
    try:
        catalog.start()
        yield StoppedEngine(registry, catalog)
    finally:
        registry.close()
        catalog.close()
        clock.close()
        folder.close()
