"""How are packages of plugins installed over HTTP?

Source: influxdb3_server/src/http.rs, install_plugin_environment_packages, install_plugin_environment_requirements,
    handle_install_result.
Differs: see `procengine.processing.plugin_environment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import PackageInstallDisabledError, PackageInstallError, PluginsDisabledError
from procengine.http.failures import HttpError
from procengine.http.fields import any_fields
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import JsonObject

if TYPE_CHECKING:
    from procengine.engine import Engine

ENVIRONMENT: Final = "/api/v3/configure/plugin_environment"

_FAILED: Final = "Processing engine error: error installing python packages: "


def package_routes(engine: Engine) -> RouteTable:
    """Return the routes that install packages."""

    def install_packages(request: Request) -> Response:
        said = any_fields(request)
        said.required("packages", list)
        assert isinstance(said, JsonObject)  # there are no lists in a query string
        engine.install_packages(said.strings("packages"))
        return Response()

    def install_requirements(request: Request) -> Response:
        engine.install_requirements(any_fields(request).required("requirements_location", str))
        return Response()

    return {
        ("POST", f"{ENVIRONMENT}/install_packages"): Route(
            answer=install_packages, on_error=_install_error
        ),
        ("POST", f"{ENVIRONMENT}/install_requirements"): Route(
            answer=install_requirements, on_error=_install_error
        ),
    }


def _install_error(error: Exception) -> Exception:
    match error:
        case PackageInstallDisabledError():
            return error
        case PluginsDisabledError():
            return HttpError(500, f"{_FAILED}Plugin environment management is disabled")
        case PackageInstallError():
            return HttpError(500, f"{_FAILED}{error}")
    return error
