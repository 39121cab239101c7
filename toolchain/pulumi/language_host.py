"""Runs Pulumi programs written in Python for an engine that was built from modules and so lacks its own Python host.

The engine starts this as `pulumi-language-python`, reads a port from stdout, and speaks gRPC's LanguageRuntime to it.
It runs programs, in this interpreter, installs their packages, and answers what the engine asks on the way. It does not
generate code, or start providers and policies written in Python: those are answered with gRPC's "unimplemented", which
the engine knows how to take.

It imports nothing of the project, because the program that it runs may be any project's.
Protocol: pulumi/pulumi, proto/pulumi/language.proto; behaviour: sdk/python/cmd/pulumi-language-python-exec.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib
import importlib.util
import linecache
import logging
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Objects more than before, until Python looks for garbage: what is loaded is none, and by Python's own 700 it goes
    # through all of that again and again, for a tenth of the time that a program takes.
    gc.set_threshold(100_000)

import grpc
from google.protobuf import empty_pb2

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2, source_pb2
else:
    # Pulumi's messages without the SDK around them: for `About`, which it asks before each run, the engine starts a
    # host that never runs a program. The generated modules import each other by relative imports, under any name.
    sdk = importlib.util.find_spec("pulumi")
    if sdk is None:
        raise ModuleNotFoundError(f"No module named 'pulumi' in {sys.prefix}: run `make setup`", name="pulumi")
    protocol = sys.modules.setdefault("pulumi_protocol", ModuleType("pulumi_protocol"))
    protocol.__path__ = [str(Path(folder) / "runtime" / "proto") for folder in sdk.submodule_search_locations]
    from pulumi_protocol import language_pb2, language_pb2_grpc, plugin_pb2, source_pb2

# As the engine's own limit for one message.
MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
PARENT_POLL_SECONDS = 0.5
# What a call to an engine that ends the update fails with.
ENDED = ("resource monitor shut down", "the client connection is closing")


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Pulumi's LanguageRuntime service for Python programs, one run at a time."""

    def __init__(self) -> None:
        # The working directory, sys.path and sys.modules belong to the process, so two programs can't share it.
        self._one_at_a_time = threading.Lock()

    def Handshake(self, request: Any, context: Any) -> Any:
        """Answer an engine that attaches to a host that runs already."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """Return the version that this host speaks for: the SDK's."""
        return plugin_pb2.PluginInfo(version=sdk_version())

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """Return none: an engine without its installer can't fetch any, and asks for each when it is used."""
        return language_pb2.GetRequiredPackagesResponse()

    def About(self, request: Any, context: Any) -> Any:
        """Return which Python this is, for `pulumi about`."""
        version = ".".join(str(part) for part in sys.version_info[:3])
        return language_pb2.AboutResponse(executable=sys.executable, version=version)

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """Return the installed Python packages, for `pulumi about`."""
        from importlib.metadata import distributions

        found = {d.name: d.version for d in distributions()}
        names = sorted(found, key=str.lower)
        dependencies = [language_pb2.DependencyInfo(name=name, version=found[name]) for name in names]
        return language_pb2.GetProgramDependenciesResponse(dependencies=dependencies)

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        """Install the packages of the program, line by line of what is said of it."""
        folder = request.info.program_directory or request.directory
        virtualenv = dict(request.info.options).get("virtualenv") or ""
        script = Path(__file__).with_name("install_packages.py")
        command = [sys.executable, "-P", str(script), str(folder), str(virtualenv)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            for line in process.stdout or ():
                yield language_pb2.InstallDependenciesResponse(stdout=line)
        if process.returncode:
            context.abort(grpc.StatusCode.UNKNOWN, f"the Python packages of {folder} were not installed; see above")

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program once, for a preview or an update, and reports its errors to the engine."""
        directory = Path(request.info.program_directory or request.pwd)
        program = program_file(directory, request.info.entry_point or request.program)
        if not program.is_file():
            return failed(f"{directory} has no {program.name}: write the program there, or set `main` in Pulumi.yaml")
        # Before the program's folder is where modules are looked for first.
        importlib.import_module("pulumi.runtime")
        with self._one_at_a_time, borrowed_process(directory, program, request.args[1:]), own_frames_only(program):
            # The SDK keeps its settings in context variables: each run gets its own.
            return contextvars.copy_context().run(run_program, request, program)

    def Cancel(self, request: Any, context: Any) -> Any:
        """Agrees; the engine's interrupt follows."""
        return empty_pb2.Empty()


def _unimplemented(method: str) -> Any:
    def answer(_host: LanguageHost, _request: Any, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this Python host has no {method}: install Pulumi for that")

    return answer


# The SDK's own answer raises, which gRPC prints as a traceback among the user's output.
UNIMPLEMENTED = "RuntimeOptionsPrompts Template RunPlugin GenerateProgram GenerateProject GeneratePackage Pack Link"
for _method in UNIMPLEMENTED.split():
    setattr(LanguageHost, _method, _unimplemented(_method))


def sdk_version() -> str:
    """Return the version of Pulumi's SDK.

    By the name of the folder that its installer left beside it (PyPA's "Recording installed projects"), where there is
    one: the library for that takes a sixth of a host's start to load.
    """
    site_packages = Path(language_pb2.__file__).parents[3]
    if (found := next(site_packages.glob("pulumi-*.dist-info"), None)) is not None:
        return found.name.removesuffix(".dist-info").partition("-")[2]
    from importlib.metadata import version

    return version("pulumi")


def program_file(directory: Path, entry_point: str) -> Path:
    """Return the file to run: the entry point, or `__main__.py` in it when it is a folder."""
    path = directory / (entry_point or ".")
    return path / "__main__.py" if path.is_dir() else path


def failed(message: str) -> Any:
    """Return an answer that the engine prints as an error of the program."""
    return language_pb2.RunResponse(error=message)


@contextmanager
def borrowed_process(directory: Path, program: Path, arguments: Sequence[str]) -> Generator[None]:
    """Make the process look as if it ran the program alone, and afterwards forgets what the program imported.

    A preview and the update after it run in one process: the second must read the modules as they are on disk.
    Packages in site-packages stay loaded; they don't change between the two.
    """
    before_directory = Path.cwd()
    before_path, before_arguments, before_modules = list(sys.path), list(sys.argv), set(sys.modules)
    os.chdir(directory)
    sys.path.insert(0, str(program.parent))
    sys.argv = [str(program), *arguments]
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.chdir(before_directory)
        sys.path[:], sys.argv = before_path, before_arguments
        for name in set(sys.modules) - before_modules:
            if belongs_to_program(getattr(sys.modules[name], "__file__", None), directory):
                del sys.modules[name]


def belongs_to_program(module_file: str | None, directory: Path) -> bool:
    """Return whether a module is the program's own, and not an installed package's that happens to lie below it."""
    if not module_file:
        return False
    path = Path(module_file)
    return path.is_relative_to(directory) and "site-packages" not in path.parts


@contextmanager
def own_frames_only(program: Path) -> Generator[None]:
    """Have the SDK send, with each resource, the frames of the program alone, and none of what runs it.

    Those twenty frames of asyncio, gRPC and this host were two thirds of a state, and the engine writes the state
    whole, twice for each resource.
    """
    from pulumi.runtime import resource

    whole, outermost = resource._get_stack_trace, program.as_uri()  # pyright: ignore[reportPrivateUsage]

    def own() -> Any:
        frames = whole().frames
        end = max((number for number, frame in enumerate(frames, 1) if frame.pc.uri == outermost), default=1)
        return source_pb2.StackTrace(frames=frames[:end])

    resource._get_stack_trace = own  # pyright: ignore[reportPrivateUsage]
    try:
        yield
    finally:
        resource._get_stack_trace = whole  # pyright: ignore[reportPrivateUsage]


def run_program(request: Any, program: Path) -> Any:
    """Run the file inside a stack resource, on an event loop of its own, and turn what it raises into an answer."""
    from pulumi.errors import RunError
    from pulumi.runtime import reset_options, run_in_stack, set_all_config

    # asyncio complains of futures that nobody awaited, which is normal when a Pulumi program ends early.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    parallel = max(request.parallel, 1)
    reset_options(
        project=request.project,
        stack=request.stack,
        root_directory=request.info.root_directory or None,
        parallel=parallel,
        engine_address=request.args[0] if request.args else "",
        monitor_address=request.monitor_address,
        preview=request.dryRun,
        organization=request.organization or "organization",
    )
    set_all_config(dict(request.config), list(request.configSecretKeys))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # As many threads as Pulumi's own host has: every registration in flight holds one.
    executor = ThreadPoolExecutor(max_workers=parallel * 4)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(run_in_stack(lambda: run_file(program)))
    except RunError as error:
        return reported(str(error))
    except grpc.RpcError as error:
        return monitor_failed(error)
    except SystemExit as error:
        return program_exited(error)
    except Exception as error:  # noqa: BLE001 - whatever a program raises is shown as its error
        if engine_has_ended(error):
            return language_pb2.RunResponse(bail=True)
        return reported("Program failed with an unhandled exception:\n" + program_traceback(error, program))
    finally:
        end_loop(loop)
        executor.shutdown(wait=False, cancel_futures=True)
    return language_pb2.RunResponse()


def run_file(program: Path) -> None:
    """Run the program, as `python program` would run it."""
    linecache.checkcache()
    runpy.run_path(str(program), run_name="__main__")


def reported(message: str) -> Any:
    """Show the message at the stack, and tell the engine to stop without a second one."""
    from pulumi import log

    log.error(message)
    return language_pb2.RunResponse(bail=True)


def monitor_failed(error: grpc.RpcError) -> Any:
    """Return a call to the engine that failed. An engine that has closed its side has said why already."""
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    if engine_has_ended(error) or (code and code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)):
        return language_pb2.RunResponse(bail=True)
    return reported(f"A call to Pulumi's engine failed: {details() if details else error}")


def engine_has_ended(error: BaseException) -> bool:
    """Return whether the SDK raised this because the engine ended the update, whose own error says why.

    What the SDK says then is in the engine's `resmon.go`, and in gRPC's `clientconn.go`. A part of a remote component
    ends that way.
    """
    part: BaseException | None = error
    while part is not None:
        details = getattr(part, "details", None)
        if isinstance(part, grpc.RpcError):
            code = getattr(part, "code", None)
            if callable(code) and code() is grpc.StatusCode.CANCELLED:
                return True  # by whoever interrupted the update: nobody else cancels a call to the engine
            if callable(details) and str(details()).endswith(ENDED):
                return True
        part = part.__cause__ or part.__context__
    return False


def program_exited(error: SystemExit) -> Any:
    """Answer `sys.exit()` in a program: 0 ends it well, a text is its message, any other code is an error."""
    if error.code in (None, 0):
        return language_pb2.RunResponse()
    if isinstance(error.code, str):
        return reported(error.code)
    return failed(f"Program exited with non-zero exit code: {error.code}")


def program_traceback(error: BaseException, program: Path) -> str:
    """Return the traceback of an exception, from the program's own first line on."""
    shown = traceback.TracebackException.from_exception(error)
    seen: set[int] = set()
    pending: list[traceback.TracebackException | None] = [shown]
    while pending:
        part = pending.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        part.stack = own_frames(part.stack, program)
        pending += [part.__cause__, part.__context__, *(part.exceptions or [])]
    return "".join(shown.format())


def own_frames(stack: traceback.StackSummary, program: Path) -> traceback.StackSummary:
    """Return a stack without what lies above the program: this host, runpy and the SDK's runner."""
    for index, frame in enumerate(stack):
        if frame.filename == str(program):
            return traceback.StackSummary.from_list(stack[index:])
    kept = [f for f in stack if f.filename not in (__file__, runpy.__file__) and "<frozen" not in f.filename]
    return traceback.StackSummary.from_list(kept)


def end_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what an error left pending, so that asyncio has nothing to complain of, and close the loop."""
    loop.set_exception_handler(lambda _loop, _context: None)  # futures complain when they are collected, later
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            loop.run_until_complete(task)
    loop.close()
    asyncio.set_event_loop(None)


def leave(*_signal: object) -> None:
    """End the process without a word, and without waiting for threads of the program, which may block for ever.

    The engine interrupts its hosts when it is done; a traceback would land in the user's output.
    """
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def watch_parent(parent: int) -> None:
    """End this process when the engine that started it is gone.

    Asked for by polling: the kernel's own signal (PR_SET_PDEATHSIG) is tied to the thread that forked, and Go ends
    threads while the engine lives.
    """
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    leave()


def main() -> None:
    """Serve until the engine interrupts it or ends. The arguments, the engine's address among them, come per run."""
    parent = os.getppid()
    # Lines of the program's `print` are shown as they come, not when a buffer is full.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)
    limits = [("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=limits)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    threading.Thread(target=watch_parent, args=(parent,), daemon=True).start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
