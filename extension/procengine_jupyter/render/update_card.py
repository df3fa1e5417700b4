"""What has a git repository now of a plugin, and what of it runs?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.processing.fetched_plugins import PluginUpdate
from procengine_jupyter.render.difference import difference_html, difference_lines
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.phrases import listed
from procengine_jupyter.render.style import card, code, part
from procengine_jupyter.render.view import View


def short_commit(commit: str) -> str:
    """Return the first digits of a commit, as it is shown."""
    return commit[:12]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UpdateCard(View):
    """The difference between the pinned commit of a plugin and its revision's of now.

    ``name`` is how the plugin was named, ``is_taken`` whether the new commit is the pinned one from now on.
    """

    update: PluginUpdate
    triggers: tuple[str, ...]
    name: str
    is_taken: bool = False

    def html(self) -> Html:
        """Return the card as HTML."""
        update = self.update
        parts = [part("plugin", code(update.filename)), part("triggers", listed(list(self.triggers)))]
        if update.before != update.after:
            parts.append(difference_html(update.before, update.after))
        if self._can_be_taken:
            parts.append(part("take it", code(self._command)))
        return card(self.name, *parts, details=self._summary(), tone="good" if self.is_taken else "")

    def plain(self) -> str:
        """Return the card as text."""
        update = self.update
        lines = [f"{self.name}: {self._summary()}", f"  plugin {update.filename}"]
        lines += [f"  {line}" for line in difference_lines(update.before, update.after)]
        if self._can_be_taken:
            lines.append(f"  take it: {self._command}")
        return "\n".join(lines)

    @property
    def _can_be_taken(self) -> bool:
        return not self.is_taken and self.update.commit != self.update.pinned

    @property
    def _command(self) -> str:
        return f"%procengine update {self.name} --take {short_commit(self.update.commit)}"

    def _summary(self) -> str:
        pinned, commit = short_commit(self.update.pinned), short_commit(self.update.commit)
        if self.update.commit == self.update.pinned:
            return f"up to date, at commit {pinned}"
        same = ", with the same files" if self.update.before == self.update.after else ""
        if self.is_taken:
            return f"commit {commit} runs now, instead of {pinned}{same}"
        return f"commit {pinned} runs; the revision is {commit} now{same}"
