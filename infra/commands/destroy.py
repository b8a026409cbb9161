"""`destroy`: takes down what runs; photos and index stay unless they are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chalicelib.errors import ConfigurationError
from infra.commands import cookies, emptying, stacks, users
from infra.commands.account import Account, outputs_of
from infra.commands.telling import Teller
from infra.config import Config

Reach = Literal["service", "index", "photos"]
"""How much goes: what runs; index and thumbnails too; the photos too."""

GB_MONTH = 0.023
"""US dollars for S3 Standard's first terabytes in us-east-1, November 2026
(https://aws.amazon.com/s3/pricing/)."""


class Kept(ConfigurationError):
    """Whoever was asked did not type what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destruction:
    config: Config
    account: Account
    tell: Teller
    reach: Reach = "service"
    pause: float = 5.0
    """Seconds between two looks at a stack."""

    def run(self) -> None:
        """Asks, then removes; may be cut off anywhere and run again. Raises Kept after a no."""
        outputs = outputs_of(self.account, self.config)
        photos = self.config.bucket or outputs.get("PhotosBucket", self._own_photos)
        self._say_what_goes(photos)
        self._ask(photos)
        self._stack(self.config.service_stack)
        self._empty(outputs.get("SourceBucket", ""))
        self._stack(self.config.builds_stack)
        cookies.forget(self.account, self.config.name)
        if self.reach == "service":
            self._empty(outputs.get("SiteBucket", ""))
        else:
            self._data(outputs, photos)
        self._say_what_stays(photos)

    @property
    def _own_photos(self) -> str:
        return f"{self.config.name}-photos-{self.account.id}-{self.account.region}"

    def _data(self, outputs: dict[str, str], photos: str) -> None:
        for name in ("SiteBucket", "ThumbnailsBucket"):
            self._empty(outputs.get(name, ""))
        if self.reach == "photos" and not self.config.bucket:
            self._empty(photos)
        self._stack(self.config.data_stack)
        users.forget_email(self.account, self.config.name)
        if self.reach == "photos" and outputs.get("UserPoolId"):
            users.forget_everybody(self.account, outputs["UserPoolId"])
        if self.config.bucket or not emptying.exists(self.account, photos):
            return
        if self.reach == "photos":
            # The stack leaves it behind, as it always does; uploads may have come meanwhile.
            self._empty(photos)
            self.account.client("s3").delete_bucket(Bucket=photos)
        else:
            self._silence(photos)

    def _silence(self, photos: str) -> None:
        """The bucket no longer tells queues of the stack that is gone: S3 would take no other
        notification beside those
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html)."""
        s3 = self.account.client("s3")
        found = s3.get_bucket_notification_configuration(Bucket=photos)
        found.pop("ResponseMetadata", None)
        here = f":sqs:{self.account.region}:{self.account.id}:{self.config.data_stack}-"
        queues = found.pop("QueueConfigurations", [])
        if left := [one for one in queues if here not in one["QueueArn"]]:
            found["QueueConfigurations"] = left
        s3.put_bucket_notification_configuration(Bucket=photos, NotificationConfiguration=found)

    def _stack(self, name: str) -> None:
        if self.account.stack(name):
            self.tell.say(f"removing the stack {name}")
            stacks.remove(self.account, name, self.tell, pause=self.pause)

    def _empty(self, bucket: str) -> None:
        if bucket and emptying.exists(self.account, bucket):
            self.tell.say(f"emptying {bucket}")
            emptying.empty(self.account, bucket, self.tell)

    def _say_what_goes(self, photos: str) -> None:
        say = self.tell.say
        say(f"From account {self.account.id}, {self.account.region}, go:")
        say("  API, page, functions, bulk work, images")
        if self.reach != "service":
            say("  the index, thumbnails, and messages that wait")
        if self.reach == "photos":
            say("  the user pool with everybody in it")
        if self.reach == "photos" and not self.config.bucket:
            say(f"  ALL PHOTOS in {photos}, with their older versions")

    def _ask(self, photos: str) -> None:
        if self.reach != "photos" or self.config.bucket:
            if not self.tell.agreed("Remove them?"):
                raise Kept("Nothing was removed.")
            return
        # Not for --yes to answer: nothing brings them back.
        typed = self.tell.answer(f"Type {photos} to delete every photo:", instead="a terminal")
        if typed != photos:
            raise Kept("Nothing was removed.")

    def _say_what_stays(self, photos: str) -> None:
        say = self.tell.say
        if emptying.exists(self.account, photos):
            count, size = emptying.count(self.account, photos)
            cost = size / 1e9 * GB_MONTH
            say(f"The photos stay: {photos}, {count:,} objects, about ${cost:,.2f} a month.")
            if self.reach != "service" and not self.config.bucket:
                say(f'To deploy over them again: bucket = "{photos}" in CONFIG.')
        if self.reach == "index" and self.config.auth == "cognito":
            say("The user pool stays, though another deployment makes another one.")
        if self.account.stack(self.config.data_stack):
            say(
                f"The stack {self.config.data_stack} stays, with index, users and queue: its "
                "OpenSearch domain costs as before. `--index-too` removes them; a later deployment "
                "makes them again from the photos."
            )
        say("The stack CDKToolkit stays too, for the CDK's other stacks; it costs next to nothing.")
