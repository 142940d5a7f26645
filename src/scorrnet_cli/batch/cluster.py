"""Frames handed to the workers of a dask cluster: each is measured by one of them, alone, and written by it as a shard.

The workers must see the same files under the same names as the process that hands out the frames. They are told
which networks and device to expect and refuse to measure with others, so that all frames of a result are of one kind.
A worker that dies is replaced by dask: what it was at work on is measured again elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from socket import create_connection
from time import perf_counter
from typing import TYPE_CHECKING, Any

from scorrnet_cli.batch.around import Cautions
from scorrnet_cli.batch.attempt import attempted
from scorrnet_cli.batch.parts import Parts
from scorrnet_cli.batch.reading import read_pages
from scorrnet_cli.batch.sources import Source
from scorrnet_cli.errors import DeviceError, FrameError, UsageError, not_installed
from scorrnet_cli.field import Process
from scorrnet_cli.figures import FrameSummary
from scorrnet_cli.frames import digest_of, read_frame
from scorrnet_cli.settings import Settings
from scorrnet_cli.units import Calibration

if TYPE_CHECKING:
    from scorrnet_cli.pipeline import Instruments, Prepared

ALLOWED_DEATHS = 3  # of workers over one frame: then it is the frame's fault
_PATIENCE_S = 20
_CALM = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # a terminal sends Ctrl-C to all of a group
_CONFIG = {"distributed.scheduler.allowed-failures": ALLOWED_DEATHS}


@dataclass(frozen=True)
class Workers:
    """Who measures.

    Attributes
    ----------
    scheduler : str or None
        Address of a dask scheduler, such as ``tcp://host:8786``.
    count : int
        Number of processes to start on this machine if there is no scheduler.
    """

    scheduler: str | None = None
    count: int = 1


@dataclass(frozen=True)
class Order:
    """What a worker must know to measure frames of a sequence; two orders that are equal need to be set up once.

    Attributes
    ----------
    settings : str
        As JSON, with absolute paths; frames do not depend on each other.
    digests : tuple of (str, str)
        Names and sha256 of the files that are read once: reference, mask and weights.
    reference : Path
        The reference image.
    page : int
        Which image of that file.
    output : Path
        The result, absolute.
    threads : int
        Number of threads to compute with: with another, results may differ in the last digit.
    calibration : Calibration or None
        The scale of the images.
    time_source : str
        Where the times of the images are known from.
    """

    settings: str
    digests: tuple[tuple[str, str], ...]
    reference: Path
    page: int
    output: Path
    threads: int
    calibration: Calibration | None
    time_source: str


@dataclass(frozen=True)
class _Bench:
    """What a worker keeps from frame to frame."""

    instruments: Instruments
    prepared: Prepared
    parts: Parts


@contextmanager
def connected(workers: Workers) -> Iterator[Any]:
    """Give a client of the cluster; one that was started for it ends with the block.

    Raises
    ------
    UsageError
        If dask.distributed is not installed, or nothing answers at the address.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        raise not_installed("Several workers need dask.distributed", "cluster") from error
    with dask.config.set(_CONFIG):
        if workers.scheduler is not None:
            try:
                # A client that nobody answers is heard of again when it is destroyed.
                address = workers.scheduler if "://" in workers.scheduler else f"tcp://{workers.scheduler}"
                create_connection(get_address_host_port(address, strict=True), _PATIENCE_S).close()
                client = Client(address, timeout=_PATIENCE_S, set_as_default=False)
            except (OSError, ValueError, TimeoutError) as error:
                todo = "Start one with dask scheduler, or give --workers N"
                raise UsageError(f"No scheduler answers: {error}", workers.scheduler, todo) from error
            with client:
                yield client
            return
        with (
            LocalCluster(
                n_workers=workers.count,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                preload=[_CALM],
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def hand_out(
    client: Any,
    order: Order,
    process: Process,
    run: str,
    sources: list[Source],
    known: set[int],
    time: Callable[[Source, int], float | None],
) -> Iterator[tuple[int, FrameSummary]]:
    """Have all frames measured that are not known; give their figures as they come, in any order.

    Parameters
    ----------
    client : distributed.Client
        From `connected`.
    order : Order
    process : Process
        How all workers must measure, and what results say of it; its version, device and weights are compared.
    run : str
        Of the `Parts` that the frames are for: a worker that is late writes none into those of a later run.
    sources : list of Source
        All deformed images.
    known : set of int
        Numbers of those that need not be measured, counted from 0.
    time : callable
        Tells when a page of a source was taken, s; None if that is not known.

    Yields
    ------
    int, FrameSummary
        The number of a frame, which its worker has written, and its figures.

    Raises
    ------
    DeviceError
        If one worker after the other dies over a frame, or the workers differ.
    ScorrnetError
        Whatever keeps a worker from measuring and writing at all.
    """
    from distributed import as_completed

    asked = {}
    for source in sources:
        for index, page in enumerate(source.pages, source.first):
            if index not in known:
                alone = replace(source, path=source.path.absolute(), pages=(page,), shapes=(), first=index)
                asked[client.submit(_measure, order, process, run, alone, time(source, page), pure=False)] = alone
    try:
        for future in as_completed(list(asked), loop=client.loop):
            source = asked.pop(future)
            with _survived(source.name(source.pages[0])):
                summary = future.result()
            yield source.first, summary
            future.release()
    finally:
        client.cancel(list(asked))


def described(client: Any, order: Order, reference: str) -> tuple[Process, Cautions]:
    """Have a worker say how it measures, and what is doubtful about the surface.

    Parameters
    ----------
    client : distributed.Client
        From `connected`.
    order : Order
    reference : str
        Name of the reference image, for errors.

    Raises
    ------
    DeviceError
        If one worker after the other dies over the reference image.
    ScorrnetError
        Whatever keeps a worker from preparing it.
    """
    with _survived(reference):
        said: tuple[Process, Cautions] = client.submit(_describe, order, pure=False).result()
        return said


@contextmanager
def _survived(image: str) -> Iterator[None]:
    """Say over which image one worker after the other died."""
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker as error:
        raise DeviceError(
            f"{ALLOWED_DEATHS + 1} workers died over this image", image, "Give each more memory"
        ) from error


def _describe(order: Order) -> tuple[Process, Cautions]:
    """Say how a worker measures, and what is doubtful about the surface; runs there."""
    bench = _bench(order)
    return bench.instruments.process(), Cautions.of(bench.prepared)


def _measure(order: Order, process: Process, run: str, source: Source, at_s: float | None) -> FrameSummary:
    """Measure one frame and write it; runs on a worker."""
    from scorrnet_cli import pipeline

    bench = _bench(order)
    own = bench.instruments.process()
    for what in ("version", "device", "weights"):
        if getattr(own, what) != getattr(process, what):
            todo = "Give workers of one kind, with the same version of scorrnet"
            raise DeviceError(f"The workers differ in {what}: {getattr(own, what)}", process.device, todo)
    bench.parts.process, bench.parts.run = process, run
    ((info, frame),) = read_pages(source, source.pages)
    info = replace(info, at_s=at_s)
    start = perf_counter()
    measure = partial(pipeline.measure_pair, bench.instruments, bench.prepared)
    field = attempted(measure, bench.prepared, info, frame and replace(frame, info=info))
    return bench.parts.write(source.first, field, perf_counter() - start)


@lru_cache(maxsize=1)
def _bench(order: Order) -> _Bench:
    from scorrnet_cli import pipeline

    instruments = _instruments(order)
    reference = read_frame(order.reference, order.page)
    process = instruments.process()
    parts = Parts(order.output, reference.info, reference.shape, process, order.calibration, order.time_source)
    return _Bench(instruments, pipeline.prepare(instruments, reference), parts)


def _instruments(order: Order) -> Instruments:
    import json

    import torch

    from scorrnet_cli import pipeline

    for name, digest in order.digests:
        if digest_of(Path(name)) != digest:
            todo = "Workers must see the same files under the same names"
            raise FrameError("A worker sees another file of this name", name, todo)
    torch.set_num_threads(order.threads)
    return pipeline.load(Settings.from_mapping(json.loads(order.settings)))
