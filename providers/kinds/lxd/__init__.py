"""Kinds of an LXD (or Incus) cluster: daemon, member, pool, network, profile, group, image, instance."""
