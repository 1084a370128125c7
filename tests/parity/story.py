"""A story: the steps of a user or operator with a server, and the resulting facts."""

STORIES = {}


def story(function):
    """Registers `function(subject)`, which returns facts: names and plain values."""
    STORIES[function.__name__] = function
    return function
