"""The text by which a machine asks an address for an echo: its packets, and the texts that it comes in."""

from __future__ import annotations

import struct
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from checks.lxd import machines
from providers.kinds.lxd import bridge, link_echo


@given(st.binary(max_size=64))
def test_a_packet_with_its_checksum_in_it_sums_up_to_nothing(mark: bytes):
    packet = link_echo.request(link_echo.ECHO, mark)
    assert packet[0] == 8
    assert packet[8:] == mark
    assert link_echo.checksum(packet) == 0


def test_the_checksum_is_that_of_the_rfc():
    # RFC 1071, section 3: these words sum up to ddf2.
    assert link_echo.checksum(struct.pack("!4H", 0x0001, 0xF203, 0xF4F5, 0xF6F7)) == 0xFFFF - 0xDDF2


def test_the_texts_import_nothing_of_ours_and_what_is_no_address_does_not_answer():
    for text in (bridge.LOOK, bridge.CHANGE, machines.ECHO):
        compile(text, "text", "exec")
        assert "from providers" not in text
    short = machines.ECHO.replace("echoes(address, 10, by)", "echoes(address, 0.1, by)")
    assert short != machines.ECHO
    done = subprocess.run(
        [sys.executable, "-I", "-c", short], input="256.0.0.1", text=True, capture_output=True, check=False
    )
    assert done.returncode == 1, done.stderr
