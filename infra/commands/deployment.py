"""One run of `deploy`: what its steps learn from each other, and how they follow each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from chalicelib.errors import ConfigurationError
from infra.commands.account import Account, outputs_of
from infra.commands.cdk import Cdk
from infra.commands.cookies import CookieKey
from infra.commands.images import Wanted
from infra.commands.telling import Teller
from infra.config import Config


class Parts(Protocol):
    """What is made on this machine before anything changes in the account."""

    def images(self, config: Config, work: Path) -> tuple[list[Wanted], str]:
        """The build contexts, staged below `work`, which may hold older ones, and the model in
        them as `IMAGES_MODEL` names it."""

    def synthesize(self, config: Config, outdir: Path, context: Mapping[str, str]) -> Path:
        """The cloud assembly, in `outdir`."""


@dataclass(kw_only=True)
class Deployment:
    """`config` has account, region and e-mail written out as soon as they are known."""

    config: Config
    account: Account
    tell: Teller
    parts: Parts
    work: Path
    """A folder of this deployment's own; all of it can be made again."""
    web: Path
    bulk_only: bool = False
    """Whether only bulk work gets the new images and model: functions and API keep theirs."""
    pause: float = 5.0
    """Seconds between two looks at a build."""
    images: list[Wanted] = field(default_factory=list)
    model: str = ""
    cookie: CookieKey | None = None

    @property
    def cdk(self) -> Cdk:
        return Cdk(self.assembly)

    @property
    def assembly(self) -> Path:
        return self.work / "assembly"

    @property
    def with_page(self) -> bool:
        """AWS identities cannot sign in on a page."""
        return self.config.auth == "cognito"

    def context(self) -> dict[str, str]:
        """What the stacks need beyond the config."""
        context = {image.context_key: image.tag for image in self.images}
        context["model"] = self.model
        context["cookie_public_key"] = self.cookie.public if self.cookie else ""
        context.setdefault("gpu_tag", "")
        return context | (self._kept() if self.bulk_only else {})

    def _kept(self) -> dict[str, str]:
        """What the functions run now. Raises ConfigurationError where none are deployed."""
        outputs = self.outputs()
        try:
            return {"embedder_tag": outputs["FunctionTag"], "model": outputs["Model"]}
        except KeyError as error:
            raise ConfigurationError("Nothing is deployed that could keep its model.") from error

    def outputs(self) -> dict[str, str]:
        return outputs_of(self.account, self.config)

    def choose(self, **choices: str) -> None:
        self.config = replace(self.config, **choices)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Step:
    """`run` may be cut off anywhere and run again: what is done is found done, or done anew."""

    name: str
    run: Callable[[Deployment], None]


def run_steps(steps: Sequence[Step], deployment: Deployment) -> None:
    for number, step in enumerate(steps, 1):
        deployment.tell.say(f"[{number}/{len(steps)}] {step.name}")
        step.run(deployment)
