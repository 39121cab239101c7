"""Asks an address for an echo over ICMP, as `ping` does, which a fresh machine need not have.

A text for the machine's own Python: in front of link_change.py (see bridge.py), and by itself, where it reads an
address on stdin, and after it the link that it is to be reached by, if any, and ends with 0 if that answered. The
formats are those of RFC 792 and RFC 4443.
"""

import os
import socket
import struct
import sys
import time

ECHO, ECHO_REPLY = 8, 0
ECHO_6, ECHO_REPLY_6 = 128, 129


def checksum(packet: bytes) -> int:
    """Return the checksum of RFC 1071; for IPv6 the kernel writes its own in."""
    packet += b"\0" * (len(packet) % 2)
    total = sum(struct.unpack("!%dH" % (len(packet) // 2), packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def request(kind: int, mark: bytes) -> bytes:
    """Return a request with a mark that comes back with its answer."""
    empty = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1) + mark
    return empty[:2] + struct.pack("!H", checksum(empty)) + empty[4:]


def opened(family: socket.AddressFamily, protocol: int) -> socket.socket:
    """Return a socket for echoes: as any user where the kernel lets the group, else as root."""
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol)
    except OSError:
        return socket.socket(family, socket.SOCK_RAW, protocol)


def echoes(address: str, seconds: float, by: str = "") -> bool:
    """Return whether an address answers within these seconds, by a certain link if one is given (as root).

    It is asked each second, as the first may get lost.
    """
    end = time.monotonic() + seconds
    six = ":" in address
    while time.monotonic() < end:
        try:
            if answered(address, six, min(time.monotonic() + 1, end), by):
                return True
        except OSError:  # no way there, or not yet
            time.sleep(0.2)
    return False


def answered(address: str, six: bool, end: float, by: str = "") -> bool:
    """Ask once, and return whether the answer came before the monotonic clock's `end`."""
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    place = socket.getaddrinfo(address, None, family, socket.SOCK_RAW, protocol, socket.AI_NUMERICHOST)[0][4]
    mark = os.urandom(16)
    with opened(family, protocol) as link:
        if by:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, by.encode())
        link.connect(place)
        link.send(request(ECHO_6 if six else ECHO, mark))
        while time.monotonic() < end:
            link.settimeout(max(end - time.monotonic(), 0.01))
            try:
                packet = link.recv(2048)
            except socket.timeout:
                return False
            # A raw socket of IPv4's gives the IP header too; its first half byte is 4, and a reply's is 0.
            if not six and packet[:1] and packet[0] >> 4 == 4:
                packet = packet[(packet[0] & 15) * 4 :]
            if packet[:1] == bytes([ECHO_REPLY_6 if six else ECHO_REPLY]) and packet[8:] == mark:
                return True
    return False


def tell() -> None:
    """Answer for the address on stdin, by the status."""
    address, _, by = sys.stdin.read().strip().partition(" ")
    sys.exit(0 if echoes(address, 10, by) else 1)
