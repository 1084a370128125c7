"""The settings as gunicorn passes them to the hooks of a configuration file. A part of the program that begins in `script.py`."""


class Setting:
    """`cfg.settings["workers"]`"""

    def __init__(self, cfg, name):
        self._cfg, self.name = cfg, name

    @property
    def value(self):
        return vars(self._cfg).get(self.name)

    def get(self):
        return self.value

    def set(self, value):
        setattr(self._cfg, self.name, value)


class Config:
    """`server.cfg`, `worker.cfg`: the effective settings, by gunicorn's names."""

    def __init__(self, values):
        self.__dict__.update(values)
        self.settings = {name: Setting(self, name) for name in values}
        self.address = [_address(one) for one in values.get("bind") or []]
        self.worker_class_str = str(values.get("worker_class"))
        self.is_ssl = bool(values.get("certfile") or values.get("keyfile"))
        if not values.get("proc_name"):
            self.proc_name = values.get("wsgi_app")

    def set(self, name, value):
        """For later readers: hooks, and the app."""
        if name not in self.settings:
            raise AttributeError("No configuration setting for: %s" % name)
        self.settings[name].set(value)

    def __getattr__(self, name):
        raise AttributeError("no configuration setting for: %s" % name)

    def __contains__(self, name):
        return name in self.settings


def _address(bind):
    """`("127.0.0.1", 8000)`, or the path of a unix socket."""
    if bind.startswith("unix:"):
        return re.sub("^unix:(//)?", "", bind)
    host, _, port = bind[len("tcp://") if bind.startswith("tcp://") else 0:].rpartition(":")
    if not port.isdigit():
        return bind
    return (host.strip("[]") or "0.0.0.0", int(port))
