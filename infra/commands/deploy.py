"""`deploy`: from an account with nothing in it to a working site, in steps that can be repeated."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.errors import ConfigurationError
from infra.commands import cookies, images, page, preflight, users
from infra.commands.cdk import TOOLKIT_STACK
from infra.commands.deployment import Deployment, Step
from infra.commands.findings import blocking, told
from infra.config import Config


class Declined(ConfigurationError):
    """Whoever was asked said no."""


def look(run: Deployment) -> None:
    findings = preflight.look(run.config, run.account)
    for line in told(findings):
        run.tell.say(f"  {line}")
    if blocking(findings):
        raise ConfigurationError("Nothing was changed: see to what is marked with ✗ first.")


def recall_email(run: Deployment) -> None:
    """Of CONFIG, or of an earlier deployment."""
    if run.with_page and not run.config.email:
        run.choose(email=users.kept_email(run.account, run.config.name))


def know_email(run: Deployment) -> None:
    """Asked for where it is not known: the one answer that is needed."""
    recall_email(run)
    if run.with_page and not run.config.email:
        given = run.tell.answer("E-mail of the first user:", instead="email in CONFIG")
        run.choose(email=users.check_address(given))


def prepare_images(run: Deployment) -> None:
    run.images, run.model = run.parts.images(run.config, run.work)


def know_cookie_key(run: Deployment) -> None:
    """Found or made; it is kept only once a yes was said."""
    if run.with_page:
        run.cookie = cookies.find_or_make(run.account, run.config.name)


def synthesize(run: Deployment) -> None:
    run.parts.synthesize(run.config, run.assembly, run.context())


def show(run: Deployment) -> None:
    config = run.config
    run.cdk.diff([config.data_stack, config.builds_stack, config.service_stack])
    if not run.account.stack(TOOLKIT_STACK):
        run.tell.say("  The account is bootstrapped for the CDK first (stack CDKToolkit).")


def ask(run: Deployment) -> None:
    config = run.config
    if not run.tell.agreed(f"Make it so in account {config.account}, {config.region}?"):
        raise Declined("Nothing was changed.")


def bootstrap(run: Deployment) -> None:
    if not run.account.stack(TOOLKIT_STACK):
        run.cdk.bootstrap(run.account.id, run.account.region)


def keep_answers(run: Deployment) -> None:
    if run.cookie:
        cookies.keep(run.account, run.config.name, run.cookie)
    if run.with_page:
        users.keep_email(run.account, run.config.name, run.config.email)


def deploy_data_and_builds(run: Deployment) -> None:
    run.cdk.deploy(run.config.data_stack, run.config.builds_stack)


def build_images(run: Deployment) -> None:
    outputs = run.outputs()
    for wanted in run.images:
        images.build(run.account, wanted, outputs, run.tell, pause=run.pause)


def deploy_service(run: Deployment) -> None:
    run.cdk.deploy(run.config.service_stack)


def publish(run: Deployment) -> None:
    if not run.with_page:
        return
    outputs = run.outputs()
    files = page.files_of(run.web, page.config_of(outputs))
    done = page.publish(run.account, outputs["SiteBucket"], outputs["DistributionId"], files)
    run.tell.say(f"  {len(done.put)} files put, {len(done.deleted)} deleted")


def invite(run: Deployment) -> None:
    if run.with_page:
        pool = run.outputs()["UserPoolId"]
        run.tell.say(f"  {users.first_user(run.account, pool, run.config.email)}")


SHOWN = (
    Step("model and images' contents", prepare_images),
    Step("the key of thumbnails' cookies", know_cookie_key),
    Step("templates", synthesize),
)
SHOW = Step("what will change", show)

STEPS = (
    Step("what the account lacks", look),
    Step("the first user's e-mail", know_email),
    *SHOWN,
    SHOW,
    Step("your word", ask),
    Step("CDK bootstrap", bootstrap),
    Step("answers and key kept", keep_answers),
    Step("data and builds; a new domain can take half an hour", deploy_data_and_builds),
    Step("images", build_images),
    Step("service", deploy_service),
    Step("the page", publish),
    Step("the first user", invite),
)
"""Nothing in the account changes before the word."""


def next_steps(config: Config, outputs: Mapping[str, str]) -> str:
    """What whoever deployed does now."""
    lines = [f"API:  {outputs['ApiUrl']}"]
    if "PageUrl" in outputs:
        lines.insert(0, f"Page: {outputs['PageUrl']}")
        lines.append(f"Sign in as {config.email} with the password in the mail; then drop photos.")
    lines.append(f"Or:   aws s3 cp --recursive PHOTOS s3://{outputs['PhotosBucket']}/")
    if config.bucket:
        lines.append(
            "What was in the bucket before: docs/operations.md, Photos that are there already."
        )
    lines.append("All names and addresses: python -m infra outputs")
    return "\n".join(lines)
