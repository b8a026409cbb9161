"""The reader of templates, on small ones whose values are known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.granted import Rights
from tests.infra.policies import Unsupported
from tests.infra.stacks_read import Stacks, Unresolved

JOINED = {"Fn::Join": ["", [{"Fn::GetAtt": ["Photos", "Arn"]}, "/*"]]}

DATA: dict[str, Any] = {
    "Resources": {
        "Photos": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "photos"}},
        "Ingest": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "ingest"}},
        "Reader": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "reader"}},
        "Domain": {"Type": "AWS::OpenSearchService::Domain", "Properties": {"DomainName": "d"}},
        "Admits": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Ingest"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Service": "s3.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": {"Fn::GetAtt": ["Ingest", "Arn"]},
                        "Condition": {
                            "ArnLike": {"aws:SourceArn": {"Fn::GetAtt": ["Photos", "Arn"]}}
                        },
                    },
                },
            },
        },
    },
    "Outputs": {
        "Name": {"Value": {"Ref": "Reader"}, "Export": {"Name": "data:reader"}},
        "All": {"Value": JOINED, "Export": {"Name": "data:objects"}},
    },
}

SERVICE: dict[str, Any] = {
    "Resources": {
        "Reads": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "reads",
                "Roles": [{"Fn::ImportValue": "data:reader"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "s3:GetObject",
                            "Resource": {"Fn::ImportValue": "data:objects"},
                        }
                    ],
                },
            },
        },
        "Function": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "f"}},
        "Alias": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {"FunctionName": {"Ref": "Function"}, "Name": "live"},
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": "Alias"},
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": {
                    "Fn::Sub": [
                        "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${X}/*",
                        {"X": "api1"},
                    ]
                },
            },
        },
    }
}

STACKS = Stacks({"data": DATA, "service": SERVICE})


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Photos"}, "photos"),
        ({"Ref": "Ingest"}, "https://sqs.eu-west-1.amazonaws.com/123456789012/ingest"),
        ({"Fn::GetAtt": "Ingest.Arn"}, "arn:aws:sqs:eu-west-1:123456789012:ingest"),
        ({"Fn::GetAtt": ["Domain", "DomainEndpoint"]}, "d.eu-west-1.es.amazonaws.com"),
        (JOINED, "arn:aws:s3:::photos/*"),
        ({"Fn::Sub": "${Photos}-${Photos.Arn}-${!x}"}, "photos-arn:aws:s3:::photos-${x}"),
        ({"Fn::Select": [1, {"Fn::Split": ["-", "a-b-c"]}]}, "b"),
        ([{"Ref": "AWS::NoValue"}, {"Ref": "AWS::Region"}], ["eu-west-1"]),
        ({"A": {"Ref": "AWS::NoValue"}, "B": 1}, {"B": 1}),
    ],
)
def test_references_become_what_cloudformation_makes_of_them(value: Any, resolved: Any) -> None:
    assert STACKS.resolve("data", value) == resolved


def test_what_another_stack_exports_is_found() -> None:
    assert STACKS.resolve("service", {"Fn::ImportValue": "data:objects"}) == "arn:aws:s3:::photos/*"
    alias = STACKS.resolve("service", {"Ref": "Alias"})
    assert alias == "arn:aws:lambda:eu-west-1:123456789012:function:f:live"


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Nothing"},
        {"Fn::ImportValue": "nothing"},
        {"Fn::If": ["Condition", 1, 2]},
        {"Fn::Transform": {}},
    ],
)
def test_a_value_that_is_not_known_is_said(value: Any) -> None:
    with pytest.raises(Unresolved):
        STACKS.resolve("data", value)


def test_rights_are_gathered_over_all_stacks() -> None:
    rights = Rights(STACKS)
    assert rights.decide("reader", "s3:GetObject", "arn:aws:s3:::photos/a")
    assert not rights.decide("reader", "s3:GetObject", "arn:aws:s3:::others/a")
    send = ("s3.amazonaws.com", "sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:ingest")
    assert rights.decide(*send, aws__SourceArn="arn:aws:s3:::photos")
    assert not rights.decide(*send, aws__SourceArn="arn:aws:s3:::others")


def test_a_permission_is_a_statement_of_its_function() -> None:
    rights = Rights(STACKS)
    alias = "arn:aws:lambda:eu-west-1:123456789012:function:f:live"
    asked = ("apigateway.amazonaws.com", "lambda:InvokeFunction")
    source = "arn:aws:execute-api:eu-west-1:123456789012:api1/api/GET/search"
    assert rights.decide(*asked, alias, aws__SourceArn=source)
    assert not rights.decide(*asked, alias, aws__SourceArn=source.replace("api1", "api2"))
    assert not rights.decide(*asked, alias.removesuffix(":live"), aws__SourceArn=source)


def test_a_policy_of_a_user_is_refused() -> None:
    policy = {"Version": "2012-10-17", "Statement": []}
    given = {"PolicyName": "x", "Users": ["eve"], "PolicyDocument": policy}
    template = {"Resources": {"P": {"Type": "AWS::IAM::Policy", "Properties": given}}}
    with pytest.raises(Unsupported):
        Rights(Stacks({"data": template})).every_statement()
