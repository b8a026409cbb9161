"""Data outlives the rest; builds make the images; the service is everything that runs."""

from infra import node

node.choose()
