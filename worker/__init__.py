"""The inference service: an HTTP API, scheduling on one device, and the models that it keeps loaded."""
