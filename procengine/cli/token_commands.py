"""How do commands make and delete tokens, and install packages?

Source: influxdb3/src/commands/create.rs, create/token.rs, delete.rs; influxdb3_commands/src/install.rs.
Differs: a token that cannot be made is a failure, exit code 1, where the original prints it as a result; the
    output has no colours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.cli.target import Target
from procengine.errors import InvalidInputError, PackageInstallError
from procengine.model.installation import InstallPlan, InstallWatch
from procengine.model.token import ADMIN_TOKEN_NAME

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STORE = "Store this token securely, as it will not be shown again."


def create_token(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Make an admin token, and show its text this once."""
    name, expiry_seconds = invocation["name"], invocation["expiry"]
    if not invocation["admin"]:
        raise InvalidInputError(
            "Missing required subcommand. Use: influxdb3 create token --admin [OPTIONS]"
        )
    if expiry_seconds is not None and name is None:
        raise InvalidInputError("--expiry needs --name: the operator token does not expire")
    if invocation["regenerate"]:
        question = "Are you sure you want to regenerate admin token? Enter 'yes' to confirm"
        if surroundings.answer(question, "answer yes at a terminal").strip() != "yes":
            raise InvalidInputError("Cannot regenerate token without confirmation")
        token = target.regenerate_admin_token()
    elif name is not None:
        token = target.create_named_token(name, expiry_seconds)
    else:
        token = target.create_admin_token()
    return CommandOutput.of(_as_json(token) if invocation["format"] == "json" else _as_text(token))


def delete_token(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Delete a token."""
    name = invocation["token_name"]
    if name == ADMIN_TOKEN_NAME:
        return CommandOutput.of(
            f'The operator token "{ADMIN_TOKEN_NAME}" is required and cannot be deleted. '
            "To regenerate an operator token, use: influxdb3 create token --admin --regenerate"
        )
    shown = json.dumps(name, ensure_ascii=False)
    surroundings.confirm(f"Are you sure you want to delete {shown}", said_yes=invocation["yes"])
    target.delete_token(name)
    return CommandOutput.of(f"Token {shown} deleted successfully")


def install_package(target: Target, invocation: Invocation, surroundings: Surroundings) -> CommandOutput:
    """Install packages for plugins, where the server is; of this process's engine the course is told."""

    def accept(plan: InstallPlan) -> None:
        for text in plan.conflicts:
            surroundings.tell(f"conflict: {text}")
        if plan.conflicts:
            arrivals = ", ".join(map(str, plan.arrivals))
            surroundings.confirm(
                f"Are you sure you want to install {arrivals}", said_yes=invocation["yes"]
            )

    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        surroundings.tell(line)

    watch = InstallWatch(tell=tell, accept=accept, into_kernel=bool(invocation["kernel"]))
    try:
        if invocation["requirements"] is not None:
            done = target.install_requirements(invocation["requirements"], watch)
        elif invocation["packages"]:
            done = target.install_packages(invocation["packages"], watch)
        else:
            raise InvalidInputError("say which packages to install: <PACKAGES>..., or -r <REQUIREMENTS>")
    except PackageInstallError as error:
        if not told:
            raise
        raise PackageInstallError(_untold(str(error), told)) from error
    if done is not None:
        surroundings.tell(str(done))
    return CommandOutput()


def _untold(text: str, told: Sequence[str]) -> str:
    """Return what an installer's failure says beside the lines that were told, and the last of those."""
    first, *rest = [line for line in text.splitlines() if line not in told]
    return "\n".join((f"{first}: {_COLOUR.sub('', told[-1])}", *rest))


def _as_json(token: str) -> str:
    message = f'{_STORE} HTTP requests require the following header: "Authorization: Bearer {token}"'
    return json.dumps({"help_msg": message, "token": token}, indent=2)


def _as_text(token: str) -> str:
    return (
        f"\nNew token created successfully!\n\nToken: {token}\n"
        f"HTTP Requests Header: Authorization: Bearer {token}\n\nIMPORTANT: {_STORE}\n"
    )
