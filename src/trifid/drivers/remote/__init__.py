"""The way to hosts: commands run there and bytes sent to and from them, through the system's OpenSSH.

Nothing of ours is installed on a host: it needs sshd, a POSIX shell, coreutils and findutils.
"""
