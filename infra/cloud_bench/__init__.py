"""The local cloud measured beside fake-gcs-server: start, calls, memory, transfers."""
