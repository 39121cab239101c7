"""Every kind of resource that the provider `hearth` offers. A new kind is one module, and two lines here."""

from __future__ import annotations

from typing import Any

from providers.kind import Kind
from providers.kinds import command_output, container_record, directory, file, mount_point, script
from providers.kinds.block import kind as block
from providers.kinds.container_image import kind as container_image
from providers.kinds.git_checkout import kind as git_checkout
from providers.kinds.lxd import bridge as lxd_bridge
from providers.kinds.lxd import cluster_group as lxd_cluster_group
from providers.kinds.lxd import daemon as lxd_daemon
from providers.kinds.lxd import image as lxd_image
from providers.kinds.lxd import instance as lxd_instance
from providers.kinds.lxd import member as lxd_member
from providers.kinds.lxd import network as lxd_network
from providers.kinds.lxd import overlay_member as lxd_overlay_member
from providers.kinds.lxd import profile as lxd_profile
from providers.kinds.lxd import storage_pool as lxd_storage_pool
from providers.kinds.matrix import client as maubot_client
from providers.kinds.matrix import instance as maubot_instance
from providers.kinds.matrix import plugin as maubot_plugin
from providers.kinds.matrix import user as matrix_user
from providers.kinds.package import kind as package
from providers.kinds.tree import kind as tree
from providers.kinds.unit import kind as unit
from providers.kinds.user import kind as user
from providers.kinds.venv import kind as venv

KINDS: tuple[Kind[Any, Any], ...] = (
    file.KIND,
    directory.KIND,
    tree.KIND,
    block.KIND,
    package.KIND,
    user.KIND,
    script.KIND,
    unit.KIND,
    git_checkout.KIND,
    venv.KIND,
    container_image.KIND,
    container_record.KIND,
    command_output.KIND,
    mount_point.KIND,
    matrix_user.KIND,
    maubot_plugin.KIND,
    maubot_client.KIND,
    maubot_instance.KIND,
    lxd_bridge.KIND,
    lxd_daemon.KIND,
    lxd_member.KIND,
    lxd_storage_pool.KIND,
    lxd_network.KIND,
    lxd_profile.KIND,
    lxd_cluster_group.KIND,
    lxd_image.KIND,
    lxd_instance.KIND,
    lxd_overlay_member.KIND,
)
