"""hls4ml backend `trigforge`: exact emulation, vendor-free RTL and co-simulation behind hls4ml's own interface.

hls4ml finds it by the entry point `hls4ml.backends`. Nothing heavy is imported until a model is converted.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["register"]


def register(register_backend: Callable[..., None], register_writer: Callable[..., None]) -> None:
    """Register backend and writer with hls4ml, once, and teach hls4ml's command line to build and report our projects.

    The parameters are hls4ml's own functions, as its plug-in loader passes them.
    """
    from hls4ml.backends import get_available_backends

    from trigforge.hls4ml_backend.backend import NAME, TrigforgeBackend
    from trigforge.hls4ml_backend.command_line import extend_command_line
    from trigforge.hls4ml_backend.writer import TrigforgeWriter

    if NAME.lower() not in get_available_backends():
        register_writer(NAME, TrigforgeWriter)  # first: the backend looks it up when it is made
        register_backend(NAME, TrigforgeBackend)
        extend_command_line()
