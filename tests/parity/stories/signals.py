"""The effects of signals to the master."""

import os
import signal
import threading

from harness import processes
from harness.response import Cut, NoResponse
from harness.waiting import eventually, stays
from story import story

APP = """
import os, time
def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open("entered", "w").close()
        time.sleep(1.5)
    start_response("200 OK", [("Content-Length", str(len(b"%s"))), ("X-Pid", str(os.getpid()))])
    return [b"%s"]
"""


def _serve(subject, *words, text="one"):
    subject.write(APP.replace('%s', text))
    server = subject.start("app:app", *words)
    server.wait_serving()
    return server


def _slow_request(subject, server):
    """A request in flight: call the result for its outcome."""
    (subject.directory / "entered").unlink(missing_ok=True)
    outcome = []

    def ask():
        try:
            outcome.append(server.get("/slow").status)
        except (OSError, AssertionError, Cut, NoResponse):
            outcome.append("cut")

    thread = threading.Thread(target=ask)
    thread.start()
    eventually((subject.directory / "entered").exists, "the request is in the app")

    def result():
        thread.join()
        return outcome[0]

    return result


@story
def term_int_and_quit(subject):
    facts = {}
    for name in ("SIGTERM", "SIGINT", "SIGQUIT"):
        server = _serve(subject, "-w", "2")
        server.wait_answers(2)
        result = _slow_request(subject, server)
        server.signal(getattr(signal, name))
        facts[f"{name}: exit code"] = server.wait_exit()
        facts[f"{name}: request in flight"] = result()
        facts[f"{name}: nobody is left"] = not any(map(processes.alive, server.leftovers()))
    return facts


@story
def hup_brings_new_workers_with_new_code(subject):
    server = _serve(subject, "-w", "2")
    before = server.wait_answers(2)
    result = _slow_request(subject, server)
    subject.write(APP.replace('%s', 'two'))
    server.signal(signal.SIGHUP)
    eventually(lambda: server.get().text.startswith("two"), "the new code is served")
    eventually(lambda: len(server.workers()) == 2 and not set(before) & set(server.workers()), "all workers are new")
    return {"request in flight": result(), "master goes on": server.process.poll() is None, "serves": server.get().text}


@story
def signals_while_the_configuration_is_read(subject):
    subject.write(APP)
    subject.write("import time\nopen('reading', 'w').close()\ntime.sleep(60)\n", "slow.py")
    facts = {}
    for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"):
        server = subject.start("app:app", "-c", "slow.py")
        eventually((subject.directory / "reading").exists, "the file is being read")
        server.signal(getattr(signal, name))
        facts[f"{name}: exit code"] = server.wait_exit(5)
        facts[f"{name}: nobody is left"] = not eventually(lambda: not server.leftovers() or None, "all have ended") is None
        (subject.directory / "reading").unlink()
    return facts


@story
def a_reload_with_another_number_of_workers(subject):
    subject.write(APP.replace('%s', 'one'))
    subject.write("workers = 1\n", "gunicorn.conf.py")
    server = subject.start("app:app")
    server.wait_answers(1)
    subject.write("workers = 3\nraw_env = ['A=1']\n", "gunicorn.conf.py")
    server.signal(signal.SIGHUP)
    return {"after HUP": len(server.wait_workers(3)), "serves": server.get().status}


@story
def ttin_and_ttou(subject):
    server = _serve(subject, "-w", "1")
    facts = {}
    server.signal(signal.SIGTTIN)
    facts["after TTIN"] = len(server.wait_workers(2))
    server.signal(signal.SIGTTOU)
    facts["after TTOU"] = len(server.wait_workers(1))
    server.signal(signal.SIGTTOU)
    # Both at once would be taken in the order of their numbers.
    stays(lambda: len(server.workers()) == 1, "one worker stays", 0.5)
    server.signal(signal.SIGTTIN)
    facts["after TTOU at one, and TTIN"] = len(server.wait_workers(2))
    facts["serves"] = server.get().status
    return facts


@story
def usr1_reopens_the_log_files(subject):
    subject.write(APP.replace('%s', 'one'))
    server = subject.start("app:app", "--access-logfile", "access.log", "--error-logfile", "error.log", bind=f"unix:{subject.directory}/s")
    eventually((subject.directory / "s").exists, "the socket is there")
    server.wait_serving()
    access, error = subject.directory / "access.log", subject.directory / "error.log"
    eventually(lambda: "GET / HTTP/1.1" in access.read_text(), "the request is logged")
    os.rename(access, subject.directory / "access.1")
    os.rename(error, subject.directory / "error.1")
    server.signal(signal.SIGUSR1)
    eventually(lambda: access.exists() and error.exists(), "both files are there again")

    def logged():
        server.get("/after")
        return "/after" in access.read_text()

    eventually(logged, "requests are logged in the new file")
    server.terminate()
    return {"exit code": server.wait_exit(), "socket removed": not (subject.directory / "s").exists()}


@story
def a_killed_worker_is_replaced(subject):
    server = _serve(subject, "-w", "2")
    before = server.wait_answers(2)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: before[0] not in server.workers() and len(server.workers()) == 2, "two workers run again")
    return {"the other one is the same": before[1] in server.workers(), "serves": server.get().status}


@story
def a_log_in_gunicorns_form(subject):
    server = _serve(subject)
    server.terminate()
    server.wait_exit()
    lines = [line for line in server.log.wait_end().splitlines() if line.strip()]
    return {"every line has time, pid and level": len(server.error_lines()) == len(lines)}


def _second_master(subject, server):
    """USR2; the pid of the second master, once both versions answer."""
    subject.write(APP.replace('%s', 'two'))
    server.signal(signal.SIGUSR2)
    file = subject.directory / "pid.2"
    second = int(eventually(lambda: file.exists() and file.read_text().strip(), "the second master has written its pid"))
    seen = set()

    def both():
        seen.add(server.get().text)
        return len(seen) == 2

    eventually(both, "both versions answer")
    return second


@story
def usr2_starts_a_second_master(subject):
    words = ["--upgrade-mode", "fork"] if subject.name == "rgun" else []
    pid = subject.directory / "pid"
    server = _serve(subject, "-w", "2", "--pid", pid, *words)
    server.wait_answers(2)
    facts = {}
    second = _second_master(subject, server)
    os.kill(second, signal.SIGTERM)
    eventually(lambda: not processes.alive(second) and not (subject.directory / "pid.2").exists(), "the second master has ended")
    facts["after TERM to the second one"] = ({server.get().text for _ in range(10)}, int(pid.read_text()) == server.master)
    subject.write(APP.replace('%s', 'one'))
    second = _second_master(subject, server)
    # There is no WINCH without a daemon.
    server.signal(signal.SIGWINCH)
    server.signal(signal.SIGTERM)
    facts["exit code of the first one"] = server.wait_exit()
    eventually(lambda: pid.exists() and int(pid.read_text()) == second, "the second one has the pid file")
    facts["after TERM to the first one"] = ({server.get().text for _ in range(10)}, (subject.directory / "pid.2").exists())
    os.kill(second, signal.SIGTERM)
    eventually(lambda: not processes.alive(second), "it has ended")
    facts["pid file at the end"] = pid.exists()
    return facts
