"""Machines with a kernel of their own: QEMU in software, in a container that has the machine's place in the lab."""

from lab.kernel.machine import KernelMachine
from lab.kernel.options import KernelOptions, container_options

__all__ = ["KernelMachine", "KernelOptions", "container_options"]
