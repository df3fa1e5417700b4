"""How are plugins' files written over HTTP?

Source: influxdb3_server/src/http.rs, create_plugin_file, update_plugin_file, replace_plugin_directory;
    influxdb3_types/src/http.rs, UpdatePluginFileRequest, ReplacePluginDirectoryRequest.
Differs: see `procengine.processing.plugin_uploads`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import PluginError, PluginsDisabledError
from procengine.http.plugin_failures import engine_error
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable

if TYPE_CHECKING:
    from procengine.engine import Engine

FILES: Final = "/api/v3/plugins/files"
DIRECTORY: Final = "/api/v3/plugins/directory"


def plugin_routes(engine: Engine) -> RouteTable:
    """Return the routes of plugins' files."""

    def create(request: Request) -> Response:
        said = request.json()
        filename, text = said.required("plugin_name", str), said.required("content", str)
        engine.plugin_uploads.write(filename, text)
        return Response()

    def update(request: Request) -> Response:
        said = request.json()
        trigger, text = said.required("plugin_name", str), said.required("content", str)
        try:
            engine.plugin_uploads.update(trigger, text)
        except PluginsDisabledError as error:
            raise PluginError(f"Plugin not found: {trigger}") from error
        return Response()

    def replace(request: Request) -> Response:
        said = request.json()
        trigger, entries = said.required("plugin_name", str), said.maps("files")
        files = {one.required("relative_path", str): one.required("content", str) for one in entries}
        engine.plugin_uploads.replace(trigger, files)
        return Response()

    def changing(answer: Callable[[Request], Response]) -> Route:
        return Route(answer=answer, on_error=engine_error)

    return {
        ("POST", FILES): changing(create),
        ("PUT", FILES): changing(update),
        ("PUT", DIRECTORY): changing(replace),
    }
