"""Full garbage collections at moments that the server chooses. Whether one is due, the interpreter decides by its own rules: only it knows
how many objects have survived since the last one."""

import gc

# The largest threshold: the generation is never collected by itself.
NEVER = 2**31 - 1


class Object:
    """The collector counts its instances."""


class FullCollections:
    def __init__(self):
        # The app has set others, or left the default.
        self.before = gc.get_threshold()
        self.young, self.middle, self.old = self.before
        self.ours = (self.young, self.middle, NEVER)
        gc.set_threshold(*self.ours)

    def pending(self):
        """Collections of the next younger generation since the last full one; none while the app has switched the collector off."""
        return gc.get_count()[2] if gc.isenabled() and gc.get_threshold()[0] else 0

    def offer(self):
        """Lets the interpreter collect all generations, if one is due."""
        if gc.get_threshold() != self.ours:
            # The app has set others meanwhile, which count.
            return
        # The next objects begin a collection, of the oldest generation that is due.
        gc.set_threshold(1, self.middle, self.old)
        try:
            _ = [Object() for _ in range(3)]
        finally:
            gc.set_threshold(*self.ours)

    def give_back(self):
        if gc.get_threshold() == self.ours:
            gc.set_threshold(*self.before)
