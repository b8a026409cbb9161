"""The code of custom resources' functions: each folder goes into AWS as it is."""
