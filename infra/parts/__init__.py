"""The constructs that the stacks are made of, one noun a file."""

from infra import node

node.choose()
