"""The hub that models are fetched from: what it lists, the bytes it serves, and what it refuses.

`huggingface_hub` gives the addresses, the token (HF_TOKEN, or the one `hf auth login` keeps) and
the place (HF_ENDPOINT). It reads the environment when it is imported, so that happens late. Files
come by plain HTTP, which every mirror serves and which can go on in the middle of a file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.errors import ConfigurationError, IntellisenseError, ModelError, Transient
from models.fetch_plan import Listing, Remote

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import ModelInfo

SECONDS = 30.0
"""How long to wait for a connection, or for the next bytes."""

MOST_WAIT = 60.0
"""The longest that a hub's Retry-After is heeded, in seconds."""

AGAIN = ": run the same command again in some minutes."


class Hub:
    """One model's repository on the hub."""

    def __init__(self, repo: str, endpoint: str | None = None) -> None:
        """`endpoint` None is HF_ENDPOINT's. Raises ConfigurationError where `repo` is no name."""
        from huggingface_hub import constants
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        # Else the first call of a day asks the hub for a list of AI agents, so as to tell it in
        # the user agent which of them is calling.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        self.repo, self.endpoint = repo, endpoint or constants.ENDPOINT
        try:
            validate_repo_id(repo)
        except HFValidationError as error:
            raise ConfigurationError(
                f"{repo!r} is not a model's name on the hub: it looks like OWNER/NAME, as "
                "Xenova/clip-vit-base-patch32 (`python -m models list` names some).",
                field="repo",
            ) from error

    def list_files(self, revision: str) -> tuple[str, Listing]:
        """(the commit that `revision` names now, its files by path).

        Raises ConfigurationError where there is no such repository or revision or it is closed to
        the caller, Transient where the hub cannot be reached or does not answer as it should.
        """
        from huggingface_hub import HfApi

        try:
            with self._explained(f"revision {revision!r}"):
                info = HfApi(self.endpoint).model_info(
                    self.repo, revision=revision, files_metadata=True, timeout=SECONDS
                )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._not_a_hub("answered with something else than a hub does") from error
        return self._commit(info), self._listing(info)

    def _commit(self, info: ModelInfo) -> str:
        if not info.sha or len(info.sha) != 40 or set(info.sha) - set("0123456789abcdef"):
            raise self._not_a_hub("names no commit")
        return info.sha

    def _listing(self, info: ModelInfo) -> Listing:
        listing = {}
        for file in info.siblings or []:
            size = file.lfs.size if file.lfs else file.size
            if not isinstance(size, int) or size < 0:
                raise self._not_a_hub(f"does not say how large {file.rfilename} is")
            sha256 = file.lfs.sha256 if file.lfs else None
            blob = None if file.lfs else file.blob_id
            listing[file.rfilename] = Remote(file.rfilename, size, sha256, blob)
        return listing

    @contextlib.contextmanager
    def open(self, commit: str, path: str, offset: int) -> Iterator[httpx2.Response]:
        """The answer that carries a file's bytes from `offset` on, or all of them (status 200).

        What goes wrong while they are read is explained as well. The token stays with the hub:
        httpx leaves it out where it is sent on to another host.
        """
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import (  # type: ignore[attr-defined]
            build_hf_headers,
            get_session,
            hf_raise_for_status,
        )

        # Packed bytes could not be gone on with in the middle.
        headers = build_hf_headers() | {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        url = hf_hub_url(self.repo, path, revision=commit, endpoint=self.endpoint)
        with (
            self._explained(path),
            get_session().stream("GET", url, headers=headers, timeout=SECONDS) as response,
        ):
            hf_raise_for_status(response)
            yield response

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """What goes wrong below is raised as one of our errors. `what` was asked for."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        try:
            yield
        except HfHubHTTPError as error:
            raise self._refused(error, what) from error
        except OfflineModeIsEnabled as error:
            raise ConfigurationError(
                f"{what} of {self.repo} is not here yet, and HF_HUB_OFFLINE forbids to get it: "
                "unset HF_HUB_OFFLINE.",
                field="HF_HUB_OFFLINE",
            ) from error
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise ConfigurationError(
                f"{self.endpoint} is not an address to fetch from: set HF_ENDPOINT to one that "
                "begins with https://, or unset it.",
                field="HF_ENDPOINT",
            ) from error
        except httpx2.ProxyError as error:
            raise Transient(
                f"The proxy refused the way to {self.endpoint} ({error}): check HTTPS_PROXY and "
                "NO_PROXY.",
                code="proxy",
            ) from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Transient(
                f"{self.endpoint} cannot be reached ({error}): check the network (and HTTPS_PROXY, "
                "if there is one), or set HF_ENDPOINT to a mirror that can be.",
                code="offline",
            ) from error
        except httpx2.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Transient(
                f"{self.endpoint} broke off at {what} ({why}){AGAIN}",
                code="broken_off",
            ) from error

    def _not_a_hub(self, why: str) -> ModelError:
        return ModelError(
            f"{self.endpoint} {why} (asked for {self.repo}): check HF_ENDPOINT, and whether a "
            "proxy or a log-in page stands in between.",
            field="HF_ENDPOINT",
        )

    def _refused(self, error: HfHubHTTPError, what: str) -> IntellisenseError:
        """What the hub's status means. Missing repositories are 401 to callers without a token."""
        status = error.response.status_code
        code = error.response.headers.get("X-Error-Code", "")
        page = f"{self.endpoint}/{self.repo}"
        if code == "RevisionNotFound":
            return ConfigurationError(
                f"{self.repo} has no {what}: {page}/commits/main lists what there is; name one "
                "with --revision.",
                field="revision",
            )
        if status == 404 and code != "EntryNotFound" and what.startswith("revision"):
            return ConfigurationError(
                f"There is no model {self.repo} at {self.endpoint}: check its name (`python -m "
                "models list` names some) and HF_ENDPOINT.",
                field="repo",
            )
        if status == 404:
            return ModelError(f"{page} does not serve {what}, though it should hold it.")
        if status in (403, 451) or code == "GatedRepo":
            return ConfigurationError(
                f"{self.endpoint} answered {status} for {self.repo}: agree to its conditions at "
                f"{page}, and set HF_TOKEN to a token that may read it.",
                code="forbidden",
                field="HF_TOKEN",
            )
        if status == 401:
            return ConfigurationError(
                f"{self.endpoint} answered 401 for {self.repo}: either there is no such model "
                "(check its name), or it is private or gated; then ask for access at "
                f"{page} and set HF_TOKEN to a token of {self.endpoint}/settings/tokens.",
                code="unauthorized",
                field="HF_TOKEN",
            )
        if status in (408, 425, 429) or status >= 500:
            return Transient(
                f"{self.endpoint} answered {status} (busy, or broken) for {what} of "
                f"{self.repo}{AGAIN}",
                code="hub_busy",
            )
        return ModelError(f"{self.endpoint} answered {status} for {what} of {self.repo}.")


def reason(error: Transient) -> str:
    """What went wrong, without the advice to come again."""
    return error.message.removesuffix(AGAIN)


def wait_asked_for(error: IntellisenseError) -> float:
    """The seconds of Retry-After in the answer behind `error`, at most MOST_WAIT; else 0."""
    response = getattr(error.__cause__, "response", None)
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(asked), MOST_WAIT) if asked.isdigit() else 0.0
