"""Taking over from the old user's containers: recorded first, stopped before the new pod starts, removed last."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi import Output, ResourceOptions

from components.secondbrain.scripts import remove_old, stop_old
from config.systems.secondbrain.parts import Migrate, Pod
from providers.resources.host import ContainerRecord, Script


class Migration:
    """The old containers of one SecondBrain host, as resources below its component."""

    recorded: list[pulumi.Resource]
    """What must be there before anything happens to the old containers; empty where the settings say everything."""

    def __init__(
        self,
        name: str,
        migrate: Migrate,
        pod: Pod,
        *,
        host: str,
        account: str,
        after: Sequence[pulumi.Resource],
        parent: pulumi.Resource,
    ) -> None:
        """Register what comes first: the record of the old backend, where `pod` does not say all that it tells.

        `account` is the name of the new one, `after` what has to be there before anything of this.
        """
        self._name, self._host, self._parent = name, host, parent
        self._after, self._migrate, self._pod = after, migrate, pod
        self._record: ContainerRecord | None = None
        if pod.backend_port is None or pod.backend_image is None:
            self._record = ContainerRecord(
                f"{name}-record",
                host=host,
                # Beside the account's home and not in it: the account must not be able to rewrite it.
                path=f"/var/lib/{account}-migration.json",
                user=self._migrate.user,
                container=self._migrate.backend_container,
                port_needed=pod.backend_port is None,
                opts=ResourceOptions(parent=parent, depends_on=list(after)),
            )
        self.recorded = [self._record] if self._record else []

    @property
    def port(self) -> Output[int]:
        """The port on which the old backend listens."""
        assert self._record is not None
        return self._record.port

    @property
    def image(self) -> Output[str]:
        """The image that the old backend was made from."""
        assert self._record is not None
        return self._record.image

    @property
    def _containers(self) -> tuple[str, str]:
        # The backend first: it needs the other.
        return self._migrate.backend_container, self._migrate.ollama_container

    def stop(self, after: Sequence[pulumi.Resource]) -> Script:
        """Stop the old containers once everything is there that the new ones need: they hold the same ports."""
        apply, check, undo = stop_old(self._containers)
        return Script(
            f"{self._name}-old-stopped",
            host=self._host,
            name=f"{self._name}-old-stopped",
            user=self._migrate.user,
            apply=apply,
            check=check,
            undo=undo,
            opts=ResourceOptions(parent=self._parent, depends_on=[*self._after, *self.recorded, *after]),
        )

    def remove(self, after: Sequence[pulumi.Resource]) -> Script | None:
        """Remove the old containers once the new ones are healthy, if the settings say so. There is no way back."""
        if not self._migrate.remove_old:
            return None
        image = self._pod.backend_image
        named = Output.from_input(image if image is not None else self.image)
        with_image = self._migrate.remove_image
        texts = named.apply(lambda found: remove_old(self._containers, found if with_image else None))
        return Script(
            f"{self._name}-old-removed",
            host=self._host,
            name=f"{self._name}-old-removed",
            user=self._migrate.user,
            apply=texts.apply(lambda found: found[0]),
            check=texts.apply(lambda found: found[1]),
            opts=ResourceOptions(parent=self._parent, depends_on=list(after)),
        )
