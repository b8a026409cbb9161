"""What nobody, or one of the functions, must not be able to do: each is refused by the policies."""

from __future__ import annotations

import pytest

from tests.infra.deployments import ALL, Deployment, deployment
from tests.infra.functions_read import jobs
from tests.infra.played import API, BATCH, EMBEDDER, SEARCH, kinds

pytestmark = pytest.mark.xdist_group("stacks")

ROLES = (API, SEARCH, EMBEDDER, BATCH)

TO_NOBODY = [
    ("s3:DeleteBucket", "{photos}"),
    ("s3:PutBucketPolicy", "{photos}"),
    ("s3:PutBucketNotification", "{photos}"),
    ("s3:PutLifecycleConfiguration", "{photos}"),
    ("s3:DeleteObjectVersion", "{photos}/a.jpg"),
    ("s3:PutObjectAcl", "{photos}/a.jpg"),
    ("s3:GetObject", "arn:aws:s3:::somebody-elses/a.jpg"),
    ("s3:GetObject", "{photos}-2/a.jpg"),
    ("s3:ListBucket", "arn:aws:s3:::somebody-elses"),
    ("s3:PutObject", "{site}/index.html"),
    ("sqs:SetQueueAttributes", "{ingest}"),
    ("sqs:PurgeQueue", "{ingest}"),
    ("sqs:DeleteQueue", "{letters}"),
    ("sqs:SendMessage", "{ingest}-2"),
    ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:999999999999:ingest"),
    ("es:UpdateDomainConfig", "{domain}"),
    ("es:DeleteDomain", "{domain}"),
    ("es:ESHttpGet", "{domain}/others/_search"),
    ("es:ESHttpPost", "{domain}/others/_bulk"),
    ("es:ESHttpPut", "{domain}/_cluster/settings"),
    ("es:ESHttpPost", "{domain}/_reindex"),
    ("es:ESHttpPost", "{domain}/images-x/_delete_by_query"),
    ("es:ESHttpGet", "arn:aws:es:eu-west-1:123456789012:domain/another/images-x/_mapping"),
    (
        "es:ESHttpGet",
        "arn:aws:es:eu-west-1:999999999999:domain/image-intellisense/images-x/_mapping",
    ),
    ("ssm:PutParameter", "{parameter}/image-intellisense/cookie-key"),
    ("ssm:GetParameter", "{parameter}/image-intellisense/another"),
    ("ssm:GetParameters", "{parameter}/image-intellisense/cookie-key"),
    ("dynamodb:DeleteItem", "{counters}"),
    ("dynamodb:Scan", "{counters}"),
    ("dynamodb:UpdateItem", "{counters}-2"),
    ("dynamodb:UpdateItem", "arn:aws:dynamodb:eu-west-1:123456789012:table/any"),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/any"),
    ("sts:AssumeRole", "arn:aws:iam::123456789012:role/any"),
    ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:123456789012:function:any"),
    ("batch:SubmitJob", "arn:aws:batch:eu-west-1:123456789012:job-queue/any"),
    ("logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:123456789012:log-group:any:*"),
    ("kms:ScheduleKeyDeletion", "arn:aws:kms:eu-west-1:123456789012:key/1"),
    ("kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/2"),
    ("cognito-idp:AdminCreateUser", "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/any"),
]

TO_ONE = {
    API: [
        ("sqs:ReceiveMessage", "{ingest}"),
        ("sqs:DeleteMessage", "{ingest}"),
        ("sqs:SendMessage", "{letters}"),
        ("s3:PutObject", "{small}/a.jpg"),
        ("s3:ListBucket", "{small}"),
        ("es:ESHttpDelete", "{domain}/images-x"),
    ],
    SEARCH: [
        ("s3:PutObject", "{photos}/a.jpg"),
        ("s3:DeleteObject", "{photos}/a.jpg"),
        ("s3:ListBucket", "{small}"),
        ("s3:GetObject", "{small}/a.jpg"),
        ("sqs:SendMessage", "{ingest}"),
        ("sqs:ReceiveMessage", "{letters}"),
        ("es:ESHttpPost", "{domain}/images-x.writes/_bulk"),
        ("es:ESHttpPost", "{domain}/images-x/_update/1"),
        ("es:ESHttpDelete", "{domain}/images-x"),
        ("ssm:GetParameter", "{parameter}/image-intellisense/cookie-key"),
        ("dynamodb:UpdateItem", "{counters}"),
    ],
    EMBEDDER: [
        ("s3:PutObject", "{photos}/a.jpg"),
        ("s3:DeleteObject", "{photos}/a.jpg"),
        ("s3:GetObject", "{small}/a.jpg"),
        ("sqs:SendMessage", "{ingest}"),
        ("sqs:ReceiveMessage", "{letters}"),
        ("sqs:DeleteMessage", "{letters}"),
        ("es:ESHttpPost", "{domain}/images-x/_count"),
        ("es:ESHttpDelete", "{domain}/images-x"),
        ("ssm:GetParameter", "{parameter}/image-intellisense/cookie-key"),
        ("dynamodb:UpdateItem", "{counters}"),
    ],
    BATCH: [
        ("s3:PutObject", "{photos}/a.jpg"),
        ("s3:DeleteObject", "{photos}/a.jpg"),
        ("sqs:SendMessage", "{ingest}"),
        ("sqs:ReceiveMessage", "{ingest}"),
        ("sqs:ReceiveMessage", "{letters}"),
        ("ssm:GetParameter", "{parameter}/image-intellisense/cookie-key"),
        ("dynamodb:UpdateItem", "{counters}"),
    ],
}


@pytest.fixture(params=ALL)
def d(request: pytest.FixtureRequest) -> Deployment:
    return deployment(request.param)


def named(d: Deployment, resource: str) -> str:
    return resource.format(
        photos=f"arn:aws:s3:::{d.photos}",
        small=f"arn:aws:s3:::{d.thumbnails}",
        site=f"arn:aws:s3:::{d.site}",
        ingest=d.ingest.arn,
        letters=d.dead_letters.arn,
        domain=d.domain_arn,
        counters=d.counters.arn
        if d.counters
        else "arn:aws:dynamodb:eu-west-1:123456789012:table/c",
        parameter="arn:aws:ssm:eu-west-1:123456789012:parameter",
    )


def role(d: Deployment, function: str) -> str:
    return jobs(d.stacks)[0].role if function == BATCH else kinds(d.stacks)[function].role


@pytest.mark.parametrize("function", ROLES)
def test_what_no_function_needs_is_refused_to_each(d: Deployment, function: str) -> None:
    allowed = [
        (action, resource)
        for action, resource in TO_NOBODY
        if d.rights.decide(role(d, function), action, named(d, resource))
    ]
    assert allowed == []


@pytest.mark.parametrize("function", ROLES)
def test_what_others_need_is_refused_to_a_function_that_does_not(
    d: Deployment, function: str
) -> None:
    allowed = [
        (action, resource)
        for action, resource in TO_ONE[function]
        if d.rights.decide(role(d, function), action, named(d, resource))
    ]
    assert allowed == []


def test_a_role_that_is_not_of_this_deployment_is_refused_all_of_it(d: Deployment) -> None:
    others = [r for r in d.stacks.of_type("AWS::IAM::Role") if r.arn not in of_product(d)]
    assert others
    for one in others:
        for action, resource in [
            ("es:ESHttpGet", "{domain}/images-x/_mapping"),
            ("s3:GetObject", "{photos}/a.jpg"),
            ("sqs:ReceiveMessage", "{ingest}"),
        ]:
            assert not d.rights.decide(one.arn, action, named(d, resource)), one.place


def of_product(d: Deployment) -> set[str]:
    return {role(d, function) for function in ROLES}
