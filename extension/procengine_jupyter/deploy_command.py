"""How does ``%deploy`` bring a plugin to a server?

It shows the plan; a button, or ``--yes``, carries it out.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from procengine.deploy import Deployed, Plan, Records, bundle_of, make_plan
from procengine.deploy import deploy as carry_out
from procengine.model.duration import SECOND
from procengine.remote import RemoteServer
from procengine_jupyter.deploy_progress import DeployProgress
from procengine_jupyter.display import show
from procengine_jupyter.named_text import named_text
from procengine_jupyter.render.deploy_card import DeployedCard, PlanCard
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.view import View

if TYPE_CHECKING:
    from procengine_jupyter.session import Session

TOKEN_VARIABLE = "INFLUXDB3_AUTH_TOKEN"


def deploy(session: Session, said: Namespace) -> View:
    """Return the plan, or, where that is said, what came of it.

    Raises:
        UsageError: a variable does not exist, or the server was not looked at to the end.
        ProcengineError: the plugin, or the server, cannot be had; or the deployment failed.
    """
    said.to = named_text(session, said.to, option="--to")
    if not said.to.lower().startswith(("http://", "https://")):
        raise UsageError(
            f"--to cannot be {said.to!r}; expected a URL such as http://127.0.0.1:8181 or https://db.example.com"
        )
    token = os.environ.get(TOKEN_VARIABLE)
    server = RemoteServer(
        said.to,
        token=token if said.token is None else named_text(session, said.token, option="--token"),
        tls_ca=said.tls_ca,
        tls_no_verify=said.tls_no_verify,
        request_seconds=said.timeout / SECOND,
    )
    look = partial(_plan, session, server, said)
    do = partial(_carry_out, session, server, said)
    progress = DeployProgress(said.to)
    with progress:
        progress.tell("asking what is there")
        try:
            plan = look()
        except KeyboardInterrupt as error:
            raise UsageError("interrupted; nothing was changed") from error
    if not said.yes:
        return Offer(session, plan, look, do)
    if not plan.is_empty:
        show(PlanCard(plan))
    progress = DeployProgress(said.to)
    with progress:
        return DeployedCard(do(plan, progress.tell))


class Offer(View):
    """A plan that waits for its reader, with a button where the page is live."""

    def __init__(
        self,
        session: Session,
        plan: Plan,
        look: Callable[[], Plan],
        do: Callable[[Plan, Callable[[str], None]], Deployed],
    ) -> None:
        self._session = session
        self.plan = plan
        self.look = look
        self.do = do

    def html(self) -> Html:
        """Return the plan as HTML."""
        return PlanCard(self.plan).html()

    def plain(self) -> str:
        """Return the plan as text."""
        text = PlanCard(self.plan).plain()
        if self.plan.is_empty or self.plan.problems:
            return text
        return f"{text}\nnothing was changed; --yes, or the button, does it"

    def _repr_mimebundle_(self, **filters: object) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**filters)
        if self._session.loop is None or self.plan.is_empty or self.plan.problems:
            return bundle
        from procengine_jupyter.deploy_panel import DeployPanel

        return bundle | DeployPanel(self.plan, self.look, self.do, loop=self._session.loop).bundle()


def _plan(session: Session, server: RemoteServer, said: Namespace) -> Plan:
    bundle = bundle_of(session.engine, said.name, packages=said.package)
    record = _records(session).of(said.to)
    return make_plan(server, said.to, bundle, record, node_spec=said.node_spec)


def _carry_out(
    session: Session,
    server: RemoteServer,
    said: Namespace,
    plan: Plan,
    tell: Callable[[str], None],
) -> Deployed:
    """Carry a plan out, and tell its steps."""
    return carry_out(server, plan, _records(session), dry_run=not said.no_dry_run, tell=tell)


def _records(session: Session) -> Records:
    """Return the records in the data folder, or those that end with the session."""
    folder = session.engine.config.data_dir
    if folder is not None:
        return Records(folder)
    if session.deployments is None:
        session.deployments = Records(None)
    return session.deployments
