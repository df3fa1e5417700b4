"""What may be said to `procengine plugin`?

The verbs and options of `influxdb3-plugin`, and of what it lacks: ``install``, and tests in new plugins.

Source: influxdb3-plugin-cli/src/commands/{new,validate,package,index,yank}.rs.
Differs: ``--index`` of ``search`` and ``install`` is an address, too; there is no JSON output.
"""

from __future__ import annotations

from procengine.cli.grammar import Arity, Command, Option, Positional
from procengine.cli.values import parse_count
from procengine.registry.templates import TEMPLATES

_INDEX_FILE = Option(
    name="--index", about="index.json of the registry; it is read, not changed", required=True
)
_INDEX = Option(
    name="--index",
    about="index.json of the registry: an address of https or file, or a file",
    variable="PROCENGINE_PLUGIN_INDEX",
    required=True,
)
_ALLOW_HTTP = Option(
    name="--allow-http",
    arity=Arity.FLAG,
    about="read plain http of other machines, in a network that is trusted",
)
_OUT = Option(
    name="--out",
    about="folder for the new index.json, not that of --index; made where missing",
    required=True,
)
_PLUGIN_DIR = Positional(
    name="PLUGIN_DIR", about="folder of the plugin; the current one when left out", required=False
)
_PATH = Positional(
    name="PATH", about="folder to write into; the current one when left out", required=False
)

PLUGIN_COMMANDS: tuple[Command, ...] = (
    *(
        Command(
            words=("plugin", "new", trigger),
            about=f"write a new plugin with a test: {template.about[0].lower()}{template.about[1:-1]}",
            options=(
                Option(name="--name", about="name of the plugin; that of the folder when left out"),
                Option(
                    name="--folder",
                    arity=Arity.FLAG,
                    about="several modules, the folder as a whole the plugin",
                ),
                Option(
                    name="--database-version",
                    about="versions of InfluxDB 3 that it fits, as >=3.2.0,<4.0.0",
                ),
            ),
            positional=_PATH,
        )
        for trigger, template in TEMPLATES.items()
    ),
    Command(
        words=("plugin", "new", "index"),
        about="write the index of an empty registry",
        options=(
            Option(
                name="--artifacts-url",
                about="address of the artifacts; that of the folder when left out",
            ),
        ),
        positional=_PATH,
    ),
    Command(
        words=("plugin", "validate"),
        about="check a plugin's manifest, entry point and triggers",
        options=(
            Option(name="--index", about="index.json of a registry that must not have this version yet"),
        ),
        positional=_PLUGIN_DIR,
    ),
    Command(
        words=("plugin", "package"),
        about="write a plugin's artifact, and the registry's index with it",
        options=(_INDEX_FILE, _OUT),
        positional=_PLUGIN_DIR,
    ),
    Command(
        words=("plugin", "yank"),
        about="write the registry's index with a version marked as not to be installed anew",
        options=(
            _INDEX_FILE,
            _OUT,
            Option(name="--undo", arity=Arity.FLAG, about="take the mark away again"),
        ),
        positional=Positional(name="TARGET", about="NAME@VERSION"),
    ),
    Command(
        words=("plugin", "search"),
        about="list the plugins of a registry",
        options=(_INDEX, _ALLOW_HTTP),
        positional=Positional(name="QUERY", about="text in the name or description", required=False),
    ),
    Command(
        words=("plugin", "install"),
        about="install a plugin of a registry into the plugin directory",
        options=(
            _INDEX,
            Option(
                name="--hash",
                about="sha256:... that the index must say; with NAME@VERSION a lock file's pin",
            ),
            Option(name="--plugin-dir", about="plugin directory", variable="INFLUXDB3_PLUGIN_DIR"),
            _ALLOW_HTTP,
        ),
        positional=Positional(name="NAME", about="NAME, NAME@1.2.0 or 'NAME@>=1.2,<2'"),
    ),
)
"""What needs no engine."""

ROLLBACK = Command(
    words=("plugin", "rollback"),
    about="give a plugin an earlier text again",
    options=(),
    positional=Positional(
        name="PLUGIN",
        about="its file or folder; then the version's first digits, or the one before when left out",
        many=True,
    ),
)
"""What needs an engine: the versions that it has loaded."""

FORGET = Command(
    words=("plugin", "forget"),
    about="let old texts of a plugin go, of each plugin when none is named",
    options=(
        Option(
            name="--keep",
            about="how many of the newest stay; the present one does in any case",
            parse=parse_count,
            required=True,
        ),
    ),
    positional=Positional(name="PLUGIN", about="its file or folder", required=False),
)

NOTEBOOK_COMMANDS = (*PLUGIN_COMMANDS, ROLLBACK, FORGET)
