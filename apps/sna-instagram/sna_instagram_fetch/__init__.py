"""What a link points at: the post, what stopped it, and the programs that fetch it in child processes.

Nothing here imports maubot: a child process starts with this package alone.
"""
