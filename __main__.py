"""The estate: every system whose settings are present in the stack's file."""

import pulumi

from components.secondbrain.component import SecondBrain, SecondBrainArgs
from components.secondbrain.share import ShareAccess
from config.loader import load

estate = load()

if settings := estate.todo:
    # First of all: a cluster out of reach stops everything while nothing has been touched.
    from components.todo.component import TodoApp, TodoAppArgs

    todo = TodoApp("todo", TodoAppArgs(settings, estate.secrets))
    pulumi.export("todo", todo.deployed)

if settings := estate.secondbrain:
    secrets = {key.removeprefix("secondbrain-"): value for key, value in estate.secrets.items()}
    second_brain = SecondBrain(
        "secondbrain",
        SecondBrainArgs(
            settings,
            share_access=ShareAccess(
                secrets["smb-username"], secrets["smb-password"], secrets.get("smb-domain", "WORKGROUP")
            )
            if settings.share
            else None,
            backend_environment=secrets.get("backend-environment"),
        ),
    )
    pulumi.export("secondbrain", second_brain.deployed)

if settings := estate.core:
    # Only where it is deployed: the SDKs of its providers take their time to load.
    from components.core.component import CoreStack, CoreStackArgs

    core = CoreStack("core", CoreStackArgs(settings, estate.machines, estate.secrets))
    pulumi.export("core", core.deployed)
