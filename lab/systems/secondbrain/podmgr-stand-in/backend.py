"""A build backend (PEP 517, PEP 660) for this folder alone, so that an installation needs no other package."""

import zipfile
from pathlib import Path

NAME, VERSION = "podmgr", "0.0.0"
INFO = f"{NAME}-{VERSION}.dist-info"
WHEEL = f"{NAME}-{VERSION}-py3-none-any.whl"
METADATA = (
    f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nSummary: A stand-in for podmgr, for the Hearth lab\n"
)


def _write(folder, files):
    files = {
        **files,
        f"{INFO}/METADATA": METADATA,
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: podmgr-stand-in\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/entry_points.txt": "[console_scripts]\npodmgr = podmgr.cli:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{INFO}/RECORD"))
    with zipfile.ZipFile(Path(folder) / WHEEL, "w") as wheel:
        for name, text in {**files, f"{INFO}/RECORD": record}.items():
            wheel.writestr(name, text)
    return WHEEL


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Return a wheel with the package in it."""
    return _write(wheel_directory, {f"podmgr/{path.name}": path.read_text() for path in Path("podmgr").glob("*.py")})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Return a wheel that only says where this folder is."""
    return _write(wheel_directory, {"podmgr-stand-in.pth": f"{Path.cwd()}\n"})
