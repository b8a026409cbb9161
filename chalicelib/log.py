"""One name for all structured logs, so that every room's logger speaks through its process's.

A process makes `Logger(service=SERVICE)` once, with the handler it wants; the rooms use
`Logger(service=SERVICE, child=True)`, which has none of its own.
"""

SERVICE = "image-intellisense"
