"""How does the processing engine say over HTTP that a plugin cannot be had?

Source: influxdb3_server/src/http.rs, Error::Plugin and Error::ProcessingEngine.
"""

from __future__ import annotations

from procengine.errors import PluginError, PluginsDisabledError
from procengine.http.failures import HttpError


def plugin_error(error: Exception) -> Exception:
    """Return an error of finding or reading a plugin as it is answered; all else as it is."""
    if isinstance(error, PluginsDisabledError):
        return HttpError(error.http_status, "Plugin error: Node not configured with plugin directory")
    if isinstance(error, PluginError):
        return HttpError(error.http_status, f"Plugin error: {error}")
    return error


def engine_error(error: Exception) -> Exception:
    """Return an error of changing plugins as it is answered; all else as it is."""
    if isinstance(error, PluginError):
        return HttpError(error.http_status, f"Processing engine error: plugin error: {error}")
    return error
