"""Says what is installed, for the `version` command of a backend.toml: the interpreter's version, those of the packages that are
named, and one SHA-256 over name and version of every package that is there. Python 3.7 or newer, no dependencies."""

import hashlib
import re
import sys


def installed():
    """Versions by name, names as package indices compare them."""
    try:
        import importlib.metadata
        found = [(each.metadata["Name"], each.version) for each in importlib.metadata.distributions()]
    except ImportError:
        import pkg_resources
        found = [(each.project_name, each.version) for each in pkg_resources.working_set]
    return {re.sub(r"[-_.]+", "-", str(name)).lower(): version for name, version in found}


if __name__ == "__main__":
    versions = installed()
    named = [f"{name} {versions[name]}" for name in sys.argv[1:]]
    every = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
    digest = hashlib.sha256(every.encode()).hexdigest()
    print(f"Python {sys.version.split()[0]}", *named, f"{len(versions)} packages of SHA-256 {digest}")
