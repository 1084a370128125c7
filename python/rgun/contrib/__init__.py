"""Integrations with frameworks. The server imports none of them."""
