"""The embedder: a container Lambda fed by SQS, and a batch job over the whole bucket."""
