"""The AWS stack in CDK, and the commands that deploy it: `python -m infra --help`."""
