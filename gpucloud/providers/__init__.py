"""The clouds. Each is found by dotted path and imported on first use, because SDKs are slow to import."""
