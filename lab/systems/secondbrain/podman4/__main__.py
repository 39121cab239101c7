"""`python -m lab.systems.secondbrain.podman4`: builds podman 4.9, if it is not there yet, and says where it is."""

from lab.systems.secondbrain.podman4.build import PODMAN

if __name__ == "__main__":
    PODMAN.main()
