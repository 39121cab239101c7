"""Every system whose settings are present in the stack's file: preflights of all, then the components, then exports."""

import pulumi

from components.system import SystemArgs
from config.loader import load
from config.systems import SYSTEMS

stack = load()
systems = {key: (SYSTEMS[key], settings) for key, settings in stack.systems.items()}

# First of all: what is out of reach stops everything while nothing has been registered.
for system, settings in systems.values():
    if preflight := system.load_preflight():
        preflight(settings)

for key, (system, settings) in systems.items():
    args = SystemArgs(settings, stack.machines, stack.secrets_of(key))
    pulumi.export(key, system.load_component()(key, args).deployed)
