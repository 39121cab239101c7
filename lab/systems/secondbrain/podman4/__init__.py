"""Podman 4.9, which Ubuntu 24.04 has and Debian 13 no more: built from its Go module, and put on a lab machine."""
