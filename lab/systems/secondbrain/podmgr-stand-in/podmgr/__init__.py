"""A stand-in for podmgr: the command line of the SecondBrain task list, over Quadlet units."""

VERSION = "0.0.0 (a stand-in of the Hearth lab, not podmgr itself)"
