"""A process that has loaded a program's libraries, and forks one fresh process for each run.

`PYTHON nest.py FD FOLDER MODULE…` loads the modules, FOLDER ("" for none) before all others, and
serves one agent (`launch.warm`) on the inherited socket FD: a line of JSON and file descriptors
each way. It runs in the interpreter that the sweep's command names, which need not have a package
of ours: so it imports the standard library alone (Python 3.9 or later, Linux).

Nothing that a fork breaks exists here: no thread, no pool of OpenMP, nothing of CUDA. A forked run
has what a started one has: its own process group, environment, argv, import path, `__main__`,
default signals, an empty standard input and numbers of its own from the global generators of
NumPy and PyTorch (Python's reseeds itself after a fork).
"""

import sys

SAFE_PATH = getattr(sys.flags, "safe_path", False)  # no folder of a program is on the path
if not SAFE_PATH:
    del sys.path[0]  # this folder: its files must not be found in the place of others

import atexit  # noqa: E402
import contextlib  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import selectors  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402
from types import ModuleType  # noqa: E402

ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)  # of agents, not of a nest
INTERRUPTED: "list[bool]" = []  # whether this run ends by a KeyboardInterrupt
LARGEST = 2**20  # bytes of a request: arguments and environment, which Linux limits to less


def load(folder: str, modules: list[str]) -> None:
    """Import what can be imported; what cannot is the program's own affair when it runs."""
    if folder:
        sys.path.insert(0, folder)
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue  # of another version of a library, say
        except BaseException:
            traceback.print_exc()
    if folder:
        sys.path.remove(folder)


def unsafe() -> str:
    """Why this process must not fork, or ""."""
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return (
            "its libraries start threads when they are imported "
            "(with OMP_NUM_THREADS=1, those of NumPy and PyTorch do not)"
        )
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "its libraries use CUDA when they are imported"
    return ""


def stamps() -> dict[str, tuple[int, int]]:
    """Time and size of every file that was loaded."""
    found = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and module is not sys.modules["__main__"]:
            try:
                status = Path(file).stat()
            except OSError:
                continue  # of an archive
            found[file] = (status.st_mtime_ns, status.st_size)
    return found


def send(control: socket.socket, answer: dict[str, object], *fds: int) -> None:
    socket.send_fds(control, [json.dumps(answer).encode()], fds)


def serve(control: socket.socket) -> "dict | None":
    """Fork until the agent is gone: None then, and in each forked process what it is to be."""
    loaded = stamps()
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    children: dict[int, tuple[int, int]] = {}  # pid and where its exit code goes, by pidfd
    while True:
        for key, _ in selector.select():
            if key.fd in children:
                pid, ended = children.pop(key.fd)
                selector.unregister(key.fd)
                os.close(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with contextlib.suppress(BrokenPipeError):  # an agent that has died
                    os.write(ended, b"%d" % code)
                os.close(ended)
                continue
            line, fds, _, _ = socket.recv_fds(control, LARGEST, 1)
            if not line:
                return None
            if stamps() != loaded:
                send(control, {"stale": True})
                for fd in fds:
                    os.close(fd)
                continue
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
            if pid == 0:
                selector.close()
                control.close()
                for fd in (*fds, *children, *(end for _, end in children.values())):
                    os.close(fd)
                return json.loads(line)
            pidfd = os.pidfd_open(pid)
            children[pidfd] = (pid, fds[0])
            selector.register(pidfd, selectors.EVENT_READ)
            send(control, {"pid": pid}, pidfd)


def become(argv: list[str], env: dict[str, str]) -> None:
    """Be `python argv…`, to the end."""
    os.setpgid(0, 0)
    title = sys.modules.get("setproctitle")
    if title is not None:  # before the environment changes, by which it finds where to write
        title.setproctitle(" ".join([sys.executable, *argv]))
    os.environ.clear()
    os.environ.update(env)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed()
    if torch is not None:
        torch.default_generator.seed()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKED)

    program = Path(argv[0]).absolute()
    sys.argv = list(argv)  # sys.orig_argv still tells how this process came about
    if not SAFE_PATH:
        sys.path.insert(0, str(program.resolve().parent))
    main = ModuleType("__main__")
    main.__file__ = str(program)
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    main.__dict__.update(__cached__=None, __annotations__={})
    sys.modules["__main__"] = main
    try:
        code = compile(program.read_bytes(), str(program), "exec")
        exec(code, main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__ and error.__traceback__.tb_next  # without this function
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        if isinstance(error, KeyboardInterrupt):
            INTERRUPTED.append(True)
        raise SystemExit(1) from None


def end() -> None:
    """End as Python does after a KeyboardInterrupt: by the signal."""
    if INTERRUPTED:
        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    atexit.register(end)  # the first, so it runs last
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.pthread_sigmask(signal.SIG_BLOCK, ASKED)  # they reach runs by themselves
    load(sys.argv[2], sys.argv[3:])
    why = unsafe()
    send(control, {"refused": why} if why else {"modules": len(sys.modules)})
    if why:
        return
    gc.collect()
    gc.freeze()  # what is here is shared by all runs, and no collection should copy it
    job = serve(control)
    if job is not None:
        become(**job)


if __name__ == "__main__":
    main()
