"""Who the people are: a Cognito user pool that takes only those who were invited."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from aws_cdk import Aws, Duration, Fn, RemovalPolicy, Stack, Token
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from chalicelib.errors import ConfigurationError
from infra.config import Config
from infra.nag import explain

RESOURCE_SERVER = "images"
SCOPES = {
    "read": "See and search images",
    "upload": "Add images",
    "admin": "Delete images of others and see to what failed",
}
"""As `images/read` in tokens."""

GROUPS = {"admin": "May do everything", "upload": "May add images"}
"""Whoever is in neither may look and search."""

FORBIDDEN = ("aws", "amazon", "cognito")
"""What Cognito takes in no domain
(https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-assign-domain-prefix.html)."""

REASONS = {
    "COG2": "second_factor asks everybody for one. It is a choice, since it keeps out people "
    "without a second device, from what is often a family's library.",
    "COG8": "Plus costs 2 cents a person and month to score sign-ins by risk; nobody "
    "can sign up here, and Cognito locks out whoever guesses passwords in every plan.",
}


LOOPBACK = tuple(f"http://localhost:{port}/" for port in (28471, 28472, 28473))
"""Where `python -m client login` waits for its code, on the person's own machine: Cognito takes
http for localhost alone, and compares ports too
(https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-app-idp-settings.html)."""


class SignIn(Construct):
    """`pool`, its hosted pages at `origin`, and `issuer` of its tokens.

    The pool is kept when its stack goes, and cannot be deleted before its protection is taken off:
    nobody's password can be made again. It belongs in the stack of the data, so that the next
    deployment finds its people there."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        """Raises `ConfigurationError` where Cognito would refuse the deployment's name."""
        super().__init__(scope, id)
        prefix = self._prefix(config)
        self.pool = cognito.UserPool(
            self,
            "Pool",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            keep_original=cognito.KeepOriginalAttrs(email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
                temp_password_validity=Duration.days(7),
            ),
            # Optional means that Cognito's pages never offer one
            # (https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-mfa.html).
            mfa=cognito.Mfa.REQUIRED if config.second_factor else cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            # All that is used here, at a third of the price of Essentials beyond 10,000 people.
            feature_plan=cognito.FeaturePlan.LITE,
            user_invitation=_invitation(config),
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        for rule, reason in REASONS.items():
            if rule != "COG2" or not config.second_factor:
                explain(self.pool, rule, reason)
        self._scopes = self._resource_server()
        for name, description in GROUPS.items():
            cognito.CfnUserPoolGroup(
                self,
                name.capitalize(),
                user_pool_id=self.pool.user_pool_id,
                group_name=name,
                description=description,
            )
        self.pool.add_domain(
            "Pages", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=prefix)
        )
        self.origin = f"https://{prefix}.auth.{Aws.REGION}.amazoncognito.com"
        self.issuer = f"https://cognito-idp.{Aws.REGION}.amazonaws.com/{self.pool.user_pool_id}"

    def page_client(self, scope: Construct, id: str, urls: Sequence[str]) -> cognito.UserPoolClient:
        """The client of the page at `urls`, https addresses without a path, and of the command
        line: a public one, so it has no secret, and codes are good only with the verifier of PKCE.
        In the stack of the page, since it names it."""
        pages = [f"{url}/" for url in urls]
        return cognito.UserPoolClient(
            scope,
            id,
            user_pool=self.pool,
            generate_secret=False,
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, *self._scopes],
                callback_urls=[*pages, *LOOPBACK],
                logout_urls=pages,
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            # What a password gets by the API in place of the pages has none of our scopes.
            auth_flows=cognito.AuthFlow(user_srp=True),
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=Duration.hours(1),
            id_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(30),
            auth_session_validity=Duration.minutes(5),
        )

    def _resource_server(self) -> list[cognito.OAuthScope]:
        scopes = [
            cognito.ResourceServerScope(scope_name=name, scope_description=what)
            for name, what in SCOPES.items()
        ]
        server = self.pool.add_resource_server("Scopes", identifier=RESOURCE_SERVER, scopes=scopes)
        return [cognito.OAuthScope.resource_server(server, scope) for scope in scopes]

    def _prefix(self, config: Config) -> str:
        """One of a kind in its region, which all accounts share, and the same each time: the name
        and what tells the account apart. Where the account is not known before deployment, it is
        the stack that is told apart."""
        if found := [word for word in FORBIDDEN if word in config.name]:
            raise ConfigurationError(
                f"name must not contain {found[0]}: Cognito takes it in no domain of sign-in pages."
            )
        stack = Stack.of(self)
        if Token.is_unresolved(stack.account) or Token.is_unresolved(stack.region):
            one_of_a_kind = Fn.select(2, Fn.split("/", stack.stack_id))
            return f"{config.name}-{Fn.select(0, Fn.split('-', one_of_a_kind))}"
        place = f"{stack.account}/{stack.region}".encode()
        return f"{config.name}-{hashlib.sha256(place).hexdigest()[:10]}"


def _invitation(config: Config) -> cognito.UserInvitationConfig:
    """The page's address is known before the pool only where it is the owner's own."""
    where = f"https://{config.domain_name}" if config.domain_name else "the address you were given"
    return cognito.UserInvitationConfig(
        email_subject="Your invitation to search our images",
        email_body=f"Sign in at {where} as {{username}} with the password {{####}} within 7 days; "
        "you will be asked for one of your own.",
    )
