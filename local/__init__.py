"""The one-machine stack: `python -m local`. The same code as in AWS, with other Settings."""
