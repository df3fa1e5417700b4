"""How does a plugin get from this engine to an InfluxDB 3 server?

`bundle_of` takes what a plugin consists of from the engine, `make_plan` says what is new, changed or the same on a
server and changes nothing, and `deploy` carries a plan out: what is tried first, and put back when it fails.
"""

from __future__ import annotations

from procengine.deploy.bundle import Bundle, Local, bundle_of
from procengine.deploy.deployment import Deployed, DeployFailedError, deploy
from procengine.deploy.plan import Change, Item, Kind, Plan, make_plan
from procengine.deploy.plan_text import plan_text
from procengine.deploy.records import Records

__all__ = [
    "Bundle",
    "Change",
    "DeployFailedError",
    "Deployed",
    "Item",
    "Kind",
    "Local",
    "Plan",
    "Records",
    "bundle_of",
    "deploy",
    "make_plan",
    "plan_text",
]
