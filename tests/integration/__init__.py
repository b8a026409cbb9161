"""The real stack: real processes, real HTTP, real kills."""
