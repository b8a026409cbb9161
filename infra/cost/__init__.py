"""What a deployment costs, from dated prices and measured seconds and bytes:
`python -m infra.cost --help`."""
