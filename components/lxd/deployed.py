"""What the cluster's component tells its checks."""

from __future__ import annotations

from pydantic import Field

from components.system import Deployed, DeployedPart


class DeployedInstance(DeployedPart):
    """One instance: where it is to be, and its addresses by network."""

    member: str
    type: str
    running: bool
    profiles: list[str]
    limits: dict[str, str]
    """LXD's own keys of processors and memory, as they were wished for."""
    addresses: dict[str, str]
    name_servers: list[str] = Field(default_factory=list[str])
    """Networks of LXD's that tell it of their name servers."""


class DeployedDns(DeployedPart):
    """The name server: where it answers, and what it is to answer."""

    host: str
    address: str
    domain: str
    names: dict[str, list[str]]
    """Whole name -> addresses."""
    wildcard: list[str]
    reverse: dict[str, str]
    """Address -> whole name."""


class DeployedSsh(DeployedPart):
    """SSH among the machines: whose it is, and how each machine is reached by the others."""

    user: str
    key: str
    """Path of the private key; `~` is the user's home."""
    names: dict[str, list[str]]
    """Member -> every name and address by which the others reach it."""


class DeployedCards(DeployedPart):
    """The graphics cards of one machine that are kept for its virtual machines."""

    cards: list[str]
    restart: bool
    """Whether `up` may restart the machine for them."""
    instances: dict[str, list[str]]
    """Virtual machine -> the cards that it is given."""


class DeployedCluster(Deployed):
    """The whole cluster."""

    host: str
    """The machine on which it is asked."""
    daemon: str
    members: dict[str, str]
    """Member -> its machine."""
    pools: list[str]
    networks: list[str]
    profiles: list[str]
    profile_keys: dict[str, dict[str, str]] = Field(default_factory=dict[str, dict[str, str]])
    """Profile -> its keys and values as they were wished for; of a device: `device NAME KEY`."""
    instances: dict[str, DeployedInstance]
    environment: dict[str, str]
    """Path, owner and required variables (with blanks between them) of the environment file; empty without one."""
    bridges: dict[str, dict[str, list[str]]] = Field(default_factory=dict[str, dict[str, list[str]]])
    """Machine -> bridge -> its network interface, then its addresses."""
    answering: dict[str, dict[str, list[str]]] = Field(default_factory=dict[str, dict[str, list[str]]])
    """Machine -> bridge -> addresses that are to answer through it."""
    ssh: DeployedSsh | None = None
    overlay: dict[str, dict[str, str]] = Field(default_factory=dict[str, dict[str, str]])
    """Id of the overlay network -> machine -> its address in it, where it is to have a certain one."""
    dns: DeployedDns | None
    cards: dict[str, DeployedCards] = Field(default_factory=dict[str, DeployedCards])
    """Machine -> its graphics cards that are kept for virtual machines."""
