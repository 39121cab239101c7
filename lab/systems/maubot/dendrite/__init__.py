"""Dendrite, the lab's second homeserver: a Matrix server of another make, built from its Go module."""
