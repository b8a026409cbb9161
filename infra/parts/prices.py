"""List prices of bulk work's machines, in US dollars an hour in us-east-1, as of November 2026.

Jobs tell their cost by them (`IMAGES_PRICE_PER_HOUR`). Spot machines cost about a third to a half
and other regions up to a third more, so what a job tells is mostly more than what is paid.
"""

from __future__ import annotations

FARGATE_VCPU_HOUR = 0.04048
FARGATE_GB_HOUR = 0.004445
"""https://aws.amazon.com/fargate/pricing/"""

ON_DEMAND_HOUR = {
    "g4dn.xlarge": 0.526,
    "g4dn.2xlarge": 0.752,
    "g5.xlarge": 1.006,
    "g5.2xlarge": 1.212,
    "g6.xlarge": 0.8048,
    "g6.2xlarge": 0.9776,
}
"""https://aws.amazon.com/ec2/pricing/on-demand/"""
