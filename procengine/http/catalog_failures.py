"""How does the catalog say over HTTP that something is not there?

In other words than the same errors have elsewhere. All else is answered as everywhere.

Source: influxdb3_catalog/src/error.rs; influxdb3_server/src/http.rs, impl IntoResponse for CatalogError.
Differs: a change of ``_internal`` is refused as the request's fault, 400; in the original it is one of the server,
    500, with the same text.
"""

from __future__ import annotations

from procengine.errors import DatabaseNotFoundError, TableNotFoundError, TriggerNotFoundError
from procengine.http.failures import HttpError


def catalog_error(error: Exception) -> Exception:
    """Return an error of a change of the catalog as it is answered; one that is no such error as it is."""
    match error:
        case DatabaseNotFoundError():
            return HttpError(404, f"Database not found {error.database}")
        case TableNotFoundError():
            return HttpError(404, f"Table {error.table} not in DB schema for {error.database}")
        case TriggerNotFoundError():
            return resource_not_found(error.trigger)
    return error


def resource_not_found(name: str) -> HttpError:
    """Return the error for what is not there by its name."""
    return HttpError(404, f"the requested resource was not found: {name}")
