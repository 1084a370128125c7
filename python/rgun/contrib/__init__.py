"""Bridges to frameworks. Nothing of this is imported by the server."""
