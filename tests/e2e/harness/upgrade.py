"""A program that a deploy replaces."""


def replace(installed, text):
    """Another program lies there now; `None`: nothing does."""
    installed.unlink()
    if text is not None:
        installed.write_text(text)
        installed.chmod(0o755)
