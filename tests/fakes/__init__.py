"""In-memory stand-ins that pass the contract suites of the real parts."""
