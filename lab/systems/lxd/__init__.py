"""What the LXD system needs of the lab: machines that LXD can be installed on, and an image for its instances."""
