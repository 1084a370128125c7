"""A story: what somebody does with a server, and the facts that come of it. It compares nothing."""

STORIES = {}


def story(function):
    """Registers `function(subject)`, which returns facts: names and plain values."""
    STORIES[function.__name__] = function
    return function
