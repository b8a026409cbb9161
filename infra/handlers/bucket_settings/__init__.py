"""The custom resource that changes two settings of a bucket, its notifications and its CORS, and
nothing else. No packages but the boto3 of Lambda's runtime."""
