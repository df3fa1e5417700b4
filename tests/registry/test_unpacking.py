"""An artifact that is not what it should be is refused before anything of it is written."""

from __future__ import annotations

import gzip
import tarfile

import pytest

from procengine.errors import RegistryError
from procengine.registry.unpacking import MOST_FILES, UNPACKED_BYTES, unpacked
from tests.registry.some_plugins import archive, member


def names(artifact: bytes) -> list[str]:
    """Return the names of the files of an artifact of ``p-1.0.0``."""
    return [one.name for one in unpacked(artifact, root="p-1.0.0", subject="a.tar.gz")]


def refusal(artifact: bytes) -> str:
    """Return why an artifact is refused."""
    with pytest.raises(RegistryError) as caught:
        names(artifact)
    return str(caught.value)


def test_files_come_back_with_their_mode() -> None:
    """Regular files come back by their path below the artifact's folder; folders are implied."""
    run = member("p-1.0.0/bin/run")
    run.mode = 0o4711
    files = unpacked(
        archive((member("p-1.0.0", tarfile.DIRTYPE), b""), (member("p-1.0.0/a.py"), b"x"), (run, b"")),
        root="p-1.0.0",
        subject="a.tar.gz",
    )
    assert [(one.name, one.data, one.is_executable) for one in files] == [
        ("a.py", b"x", False),
        ("bin/run", b"", True),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../evil",
        "a.py",
        "p-1.0.0",
        "p-1.0.1/a.py",
        "p-1.0.0/../../evil",
        "p-1.0.0/a/../../../evil",
        "p-1.0.0//evil",
        "p-1.0.0/./evil",
        "p-1.0.0/..\\evil",
        "p-1.0.0/C:/evil",
        "p-1.0.0/evil\n",
        "p-1.0.0/evil.",
    ],
)
def test_paths_that_lead_elsewhere(path: str) -> None:
    """A path that is not plainly below the artifact's folder is refused."""
    assert refusal(archive((member("p-1.0.0/ok.py"), b""), (member(path), b"x"))).startswith(
        "cannot unpack a.tar.gz: "
    )


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "a link to '/etc/passwd'"),
        (tarfile.LNKTYPE, "a hard link to '/etc/passwd'"),
        (tarfile.CHRTYPE, "a device, a pipe or of an unknown kind"),
        (tarfile.FIFOTYPE, "a device, a pipe or of an unknown kind"),
        (tarfile.CONTTYPE, None),
    ],
)
def test_members_that_are_no_files(kind: bytes, why: str | None) -> None:
    """Links, devices and pipes are refused; what tar calls a contiguous file is one."""
    made = archive((member("p-1.0.0/x", kind, link="/etc/passwd"), b""))
    if why is None:
        assert names(made) == ["x"]
    else:
        assert (
            refusal(made) == f"cannot unpack a.tar.gz: 'p-1.0.0/x' is {why}; accepted are regular files"
        )


@pytest.mark.parametrize("pair", [("a", "a"), ("a", "A"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "A/B")])
def test_names_that_are_one_file_somewhere(pair: tuple[str, str]) -> None:
    """Two files of one name, cases set aside, and a file that is a folder, too, are refused."""
    made = archive(*((member(f"p-1.0.0/{one}"), b"") for one in pair))
    assert "is there twice" in refusal(made)


def test_an_artifact_has_bounds() -> None:
    """Too many files, too many bytes and a compression that no plugin has are refused."""
    many = archive(*((member(f"p-1.0.0/{number}"), b"") for number in range(MOST_FILES + 1)))
    assert f"it has more than {MOST_FILES} files" in refusal(many)
    bomb = gzip.compress(bytes(20 << 20), 9)
    assert "200 times the packed size" in refusal(bomb)
    head = member("p-1.0.0/x")
    head.size = UNPACKED_BYTES * 8
    claimed = gzip.compress(head.tobuf() + b"x" * 512)
    assert "it is damaged" in refusal(claimed)


@pytest.mark.parametrize("cut", [0, 5, 40, -9, -1])
def test_an_artifact_that_is_cut_off(cut: int) -> None:
    """An artifact that ends too early is damaged, wherever it ends."""
    made = archive((member("p-1.0.0/a.py"), bytes(range(256)) * 40))
    assert "it is damaged" in refusal(made[:cut])


def test_an_artifact_that_is_something_else() -> None:
    """What is no gzip or no tar is damaged; what follows the archive is refused."""
    assert "it is damaged" in refusal(b"PK\x03\x04 something")
    assert "it is damaged" in refusal(gzip.compress(b"x" * 5_000))
    made = archive((member("p-1.0.0/a.py"), b"x"))
    assert "something follows the archive" in refusal(made + made)
