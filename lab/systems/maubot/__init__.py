"""What only the lab of maubot needs: a homeserver that was there before, and somebody who talks to bots."""
