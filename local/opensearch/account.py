"""Whom the node runs as. OpenSearch refuses to run as root; root's node runs as `nobody`."""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.errors import ConfigurationError


class Account(NamedTuple):
    uid: int
    gid: int

    @property
    def options(self) -> dict[str, Any]:
        """Of subprocess, for a process of this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def node_account() -> Account | None:
    """Another account than ours, where ours is root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def may_enter(path: Path, account: Account | None) -> bool:
    """Whether the node can go into the folder `path`, or run the program there."""
    options = account.options if account else {}
    return (
        subprocess.run(["test", "-x", str(path)], check=False, cwd="/", **options).returncode == 0
    )


def within_reach(folder: Path, account: Account | None) -> Path:
    """`folder`, made where it lacks; or the one that stands in for it below /var/tmp, always the
    same, where the node could not get there (a checkout in root's own home)."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if account is None or may_enter(folder, account):
        return folder
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    other = Path("/var/tmp") / f"image-intellisense-{name}"
    other.mkdir(mode=0o755, exist_ok=True)
    # /var/tmp is everyone's: somebody else may have made the folder before us, or a link.
    found = other.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), account.uid):
        raise ConfigurationError(f"{other} is needed, but belongs to someone else; remove it.")
    other.chmod(0o755)
    return other


def scratch(account: Account | None) -> Path:
    """A new, empty temporary folder that the node may fill."""
    places = [tempfile.gettempdir(), "/var/tmp"]
    place = next((p for p in places if may_enter(Path(p), account)), places[-1])
    made = Path(tempfile.mkdtemp(prefix="image-intellisense-", dir=place))
    hand_over(made, account)
    return made


def hand_over(folder: Path, account: Account | None) -> None:
    """Make `folder` the node's own, with what another account's node left there."""
    if account and folder.stat().st_uid != account.uid:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
