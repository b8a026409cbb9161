"""CodeBuild for whoever has no Docker engine: a zip of the build context in, an image out."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import Config
from infra.nag import explain, explain_resource
from infra.parts.buckets import arn_of, name_of, private_bucket
from infra.parts.functions import log_group

BUILDSPEC = """\
version: 0.2
phases:
  build:
    commands:
      - aws ecr get-login-password | docker login --username AWS --password-stdin "${IMAGE%%/*}"
      - eval "docker build $ARGUMENTS --tag \\"$IMAGE\\" ."
      - docker push "$IMAGE"
"""
"""`IMAGE` is repository and tag, `ARGUMENTS` what follows `docker build`; who starts a build says
both. One phase, since the next would run also after one that failed
(https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html)."""

DAYS_FOR_SOURCES = 7
MINUTES = 60

PUSH = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html"""


class ImageBuilds(Construct):
    """`project` is the project's name, `sources` the bucket's."""

    def __init__(
        self, scope: Construct, id: str, *, config: Config, repository: ecr.Repository
    ) -> None:
        super().__init__(scope, id)
        self.sources = name_of(config, "builds")
        self._make_sources()
        name = f"{config.name}-images"
        log = log_group(self, "Log", config=config)
        role, rights = self._role(repository, log)
        properties = codebuild.CfnProject
        project = codebuild.CfnProject(
            self,
            "Project",
            name=name,
            description="Builds the container images where no Docker engine is at hand",
            service_role=role.role_arn,
            source=properties.SourceProperty(
                type="S3",
                location=f"{self.sources}/context.zip",
                build_spec=BUILDSPEC,
            ),
            artifacts=properties.ArtifactsProperty(type="NO_ARTIFACTS"),
            environment=properties.EnvironmentProperty(
                type="LINUX_CONTAINER",
                image="aws/codebuild/amazonlinux-x86_64-standard:5.0",
                compute_type="BUILD_GENERAL1_MEDIUM",
                # Docker's own daemon runs in the build.
                privileged_mode=True,
            ),
            logs_config=properties.LogsConfigProperty(
                cloud_watch_logs=properties.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=log.log_group_name
                )
            ),
            timeout_in_minutes=MINUTES,
        )
        # Rights come first: a build may be started as soon as the project is there.
        project.node.add_dependency(rights)
        explain(project, "CB3", "Building an image needs Docker's daemon; the source is ours.")
        explain(project, "CB4", "It writes no artifacts that a key of its own would encrypt.")
        self.project = name

    def _make_sources(self) -> None:
        private_bucket(
            self,
            "Sources",
            self.sources,
            s3.LifecycleRule(
                id="contexts that were built",
                expiration=Duration.days(DAYS_FOR_SOURCES),
                abort_incomplete_multipart_upload_after=Duration.days(DAYS_FOR_SOURCES),
            ),
        )

    def _role(
        self, repository: ecr.Repository, log: logs.LogGroup
    ) -> tuple[iam.Role, iam.ManagedPolicy]:
        """CodeBuild itself reads the source and writes the log, with these rights
        (https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html)."""
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"))
        objects = f"{arn_of(self.sources)}/*"
        rights = (
            (("s3:GetObject", "s3:GetObjectVersion"), objects),
            (("s3:GetBucketAcl", "s3:GetBucketLocation"), arn_of(self.sources)),
            (("logs:CreateLogStream", "logs:PutLogEvents"), log.log_group_arn),
            (PUSH, repository.repository_arn),
            (("ecr:GetAuthorizationToken",), "*"),
        )
        policy = iam.ManagedPolicy(
            self,
            "Rights",
            roles=[role],
            statements=[
                iam.PolicyStatement(actions=list(actions), resources=[resource])
                for actions, resource in rights
            ],
        )
        explain_resource(policy, objects, "Every build's context is an object of its own there.")
        explain_resource(policy, "*", "Signing in to a registry knows no narrower resource.")
        return role, policy
