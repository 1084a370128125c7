"""Programs that start the server by themselves, as gunicorn's documentation on custom applications has them."""

import re
import signal

from harness.waiting import eventually
from story import story

STANDALONE = """
import os, sys
import gunicorn.app.base
from helper import NAME

def app(environ, start_response):
    facts = [NAME, __name__, sys.argv[1:], environ["wsgi.multithread"], environ["wsgi.multiprocess"], os.environ.get("A"), os.path.basename(sys.modules["__main__"].__file__)]
    body = repr(facts).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Pid", str(os.getpid()))])
    return [body]

def hook(name):
    return lambda server: server.log.info("hook %s", name)

def hook_of_a_worker(name):
    return lambda server, worker: server.log.info("hook %s", name)

def post_request(worker, req, environ, resp):
    worker.log.info("hook post_request %s", resp.status)

class Standalone(gunicorn.app.base.BaseApplication):
    def __init__(self, application, options):
        self.application, self.options = application, options
        super().__init__()

    def load_config(self):
        for name, value in self.options.items():
            if name in self.cfg.settings and value is not None:
                self.cfg.set(name.lower(), value)

    def load(self):
        print("loaded", self.cfg.workers, self.cfg.settings["threads"].get(), self.cfg.max_requests, self.cfg.user_agent if "user_agent" in self.cfg.settings else None, flush=True)
        return self.application

OPTIONS = {
    "bind": "%s:%s" % ("127.0.0.1", "0"), "workers": 2, "threads": 3, "raw_env": ["A=1"], "control_socket_disable": True, "not_a_setting": 1,
    "on_starting": hook("on_starting"), "when_ready": hook("when_ready"), "on_reload": hook("on_reload"), "on_exit": hook("on_exit"),
    "pre_fork": hook_of_a_worker("pre_fork"), "post_fork": hook_of_a_worker("post_fork"), "worker_exit": hook_of_a_worker("worker_exit"), "post_request": post_request,
}

if __name__ == "__main__":
    Standalone(app, OPTIONS).run()
    print("not reached", flush=True)
"""


def hooks(server):
    return re.findall(r"hook (\w+)", server.log.text())


@story
def a_standalone_application(subject):
    subject.write("NAME = 'one'\n", "helper.py")
    server = subject.start_program(STANDALONE, "--its", "own words")
    answer = server.wait_serving()
    server.wait_answers(2)
    facts = {"answer": answer.text, "hooks at the start": hooks(server)[:2], "forks": hooks(server).count("post_fork"), "a request's hook": "hook post_request 200 OK" in server.log.text()}
    facts["loaded"] = sorted(set(re.findall(r"^loaded .*", server.log.text(), re.M)))
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: hooks(server).count("post_fork") >= 4, "the new workers")
    server.wait_answers(2)
    facts["on_reload"] = hooks(server).count("on_reload")
    server.process.send_signal(signal.SIGTERM)
    facts["exit code"] = server.wait_exit(20)
    text = server.log.wait_end()
    facts["at the end"] = [text.count("hook on_exit"), text.count("hook worker_exit"), "not reached" in text]
    return facts


@story
def a_standalone_application_that_fails(subject):
    subject.write("NAME = 'one'\n", "helper.py")
    facts = {}
    for name, (old, new) in {
        "a setting that does not exist": ("        for name, value", "        self.cfg.set('no_such', 1)\n        for name, value"),
        "a wrong value": ('"workers": 2', '"workers": "two"'),
        "load_config raises": ("        for name, value", "        raise RuntimeError('no settings')\n        for name, value"),
        "load raises": ("        return self.application", "        raise RuntimeError('no app')"),
    }.items():
        assert old in STANDALONE
        server = subject.start_program(STANDALONE.replace(old, new, 1))
        code = server.wait_exit(20)
        # gunicorn's is 3, or 1 where several workers fail at once.
        facts[f"{name}: exit code"] = code if name != "load raises" else code in (1, 3)
        facts[f"{name}: is said"] = bool(server.log.wait_end().strip())
    return facts


@story
def a_subclass_of_the_wsgi_application(subject):
    subject.write("import os\ndef app(environ, start_response):\n    body = repr((os.environ.get('WHO'), environ['wsgi.multithread'])).encode()\n    start_response('200 OK', [('Content-Length', str(len(body))), ('X-Pid', str(os.getpid()))])\n    return [body]\n", "served.py")
    subject.write("raw_env = ['WHO=file']\nworkers = 4\nunknown = 1\n", "settings.py")
    server = subject.start_program("""
from gunicorn.app.wsgiapp import WSGIApplication

class Product(WSGIApplication):
    def init(self, parser, opts, args):
        super().init(parser, opts, args)
        self.app_uri = "served:app"
        return {"bind": "127.0.0.1:0", "workers": 3, "threads": 2, "control_socket_disable": True}

if __name__ == "__main__":
    Product("%(prog)s [OPTIONS]").run()
""", "-c", "settings.py", "--workers", "2")
    facts = {"answer": server.wait_serving().text}
    facts["workers"] = len(server.wait_answers(2))
    return facts
