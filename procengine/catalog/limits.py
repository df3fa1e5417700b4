"""How much may a catalog hold, and what is said when that is reached?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.errors import LimitExceededError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest numbers of databases, of tables in all of them, and of columns in one table.

    Deleted databases and tables do not count, nor does ``_internal``, nor a table's time column.

    Source: influxdb3_catalog/src/error.rs; the numbers are Enterprise's.
    """

    databases: int = 100
    tables: int = 10_000
    columns_per_table: int = 500

    def too_many_databases(self) -> LimitExceededError:
        """Return the error for one database more than allowed."""
        return LimitExceededError(
            f"Adding a new database would exceed limit of {self.databases} databases"
        )

    def too_many_tables(self, current: int) -> LimitExceededError:
        """Return the error for one table more than allowed, when there are ``current``."""
        return LimitExceededError(
            "Update to schema would exceed number of tables limit: attempted to create table "
            f"but already have {current} table(s) (limit: {self.tables})"
        )

    def too_many_columns(self) -> LimitExceededError:
        """Return the error for one column more than allowed."""
        return LimitExceededError(
            "Update to schema would exceed number of columns per table limit of "
            f"{self.columns_per_table} columns"
        )
