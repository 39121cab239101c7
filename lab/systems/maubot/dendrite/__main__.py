"""`python -m lab.systems.maubot.dendrite`: builds Dendrite, if it is not there yet, and says where it is."""

from lab.systems.maubot.dendrite.build import DENDRITE

if __name__ == "__main__":
    DENDRITE.main()
