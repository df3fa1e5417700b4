"""Installing packages for plugins: planned before, told as it goes, undone when it fails."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine.errors import PackageInstallError
from procengine.model.installation import InstallPlan, InstallWatch
from procengine.processing import installers, plugin_environment
from procengine.processing.environment_copy import COPY
from procengine.processing.installed_packages import Package, installed
from procengine.processing.plugin_environment import PluginEnvironment
from tests.wheels import make_wheel, offline


class RefusedError(Exception):
    """What a watcher refuses a plan with."""


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only place where pip looks."""
    for name, value in offline(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "wheels"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[PluginEnvironment]:
    """An environment that is not made yet."""
    made = PluginEnvironment(tmp_path / "env", working_folder=tmp_path)
    yield made
    made.close()
    for name in [name for name in sys.modules if name.startswith("tiny_")]:
        del sys.modules[name]


def contents(folder: Path) -> dict[str, bytes]:
    """Return a folder's files, those of byte code left out."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def refuse(plan: InstallPlan) -> None:
    """Accept no plan."""
    raise RefusedError(*plan.conflicts)


def test_packages_say_what_came(environment: PluginEnvironment, wheels: Path) -> None:
    """What was installed is told with what it needed, and is imported at once."""
    make_wheel(wheels, "tiny_a", needs=["tiny_b>=1"])
    make_wheel(wheels, "tiny_b", "1.5")
    lines: list[str] = []

    done = environment.install_packages(["tiny_a"], InstallWatch(tell=lines.append))

    assert str(done) == f"installed tiny_a 1.0, tiny_b 1.5 into {environment.folder}" or str(done) == (
        f"installed tiny_b 1.5, tiny_a 1.0 into {environment.folder}"
    )
    assert done is not None
    assert {one.name: one.is_requested for one in done.plan.arrivals} == {
        "tiny_a": True,
        "tiny_b": False,
    }
    assert any(line.startswith("Successfully installed") for line in lines)
    import tiny_a  # type: ignore[import-not-found]

    assert tiny_a.SAYS == "1.0"
    again = environment.install_packages(["tiny_a"])
    assert str(again) == f"all is there already, in {environment.folder}"


def test_packages_in_another_version_need_a_restart(
    environment: PluginEnvironment, wheels: Path
) -> None:
    """A package that is imported already goes on as it was, and that is said; another is imported in its new one."""
    for name in ("tiny_a", "tiny_b"):
        make_wheel(wheels, name, "1.0")
        environment.install_packages([name])
        make_wheel(wheels, name, "2.0")
    import tiny_a

    done = environment.install_packages(["-U", "tiny_a", "tiny_b"])

    assert done is not None
    assert done.imported_before == ("tiny_a 2.0",)
    assert "restart the kernel for tiny_a 2.0: the version before is imported already" in str(done)
    assert {str(one) for one in done.plan.arrivals} == {
        "tiny_a 2.0 (before: 1.0)",
        "tiny_b 2.0 (before: 1.0)",
    }
    import tiny_b  # type: ignore[import-not-found]

    assert (tiny_a.SAYS, tiny_b.SAYS) == ("1.0", "2.0")


def test_packages_that_point_elsewhere(environment: PluginEnvironment, wheels: Path) -> None:
    """A ``.pth`` file that comes with a later installation counts at once, and is taken back at the end."""
    make_wheel(wheels, "tiny_a")
    environment.install_packages(["tiny_a"])
    elsewhere = wheels.parent / "elsewhere"
    elsewhere.mkdir()
    make_wheel(wheels, "tiny_b", files={"tiny_b.pth": f"{elsewhere}\n"})

    environment.install_packages(["tiny_b"])

    assert str(elsewhere) in sys.path
    environment.close()
    assert str(elsewhere) not in sys.path


def test_packages_that_are_nowhere_change_nothing(
    environment: PluginEnvironment, wheels: Path, tmp_path: Path
) -> None:
    """An environment is not made for a package that there is not, nor is one that is there changed."""
    wheels.mkdir()
    with pytest.raises(PackageInstallError, match="No matching distribution found for tiny_gone"):
        environment.install_packages(["tiny_gone"])
    assert not environment.folder.exists()

    make_wheel(wheels, "tiny_a")
    environment.install_packages(["tiny_a"])
    before = contents(environment.folder)
    (tmp_path / "requirements.txt").write_text("tiny_a\ntiny_gone\n")
    with pytest.raises(PackageInstallError, match="tiny_gone"):
        environment.install_requirements("requirements.txt")
    assert contents(environment.folder) == before


def test_packages_are_told_without_colours(
    environment: PluginEnvironment, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installer's lines are plain text, also where a Jupyter kernel's variables ask for colours."""
    wheels.mkdir()
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(PackageInstallError, match="No matching distribution") as failure:
        environment.install_packages(["tiny_gone"])
    assert "\x1b" not in str(failure.value)


@pytest.mark.parametrize("folder_was_there", [False, True])
def test_packages_that_fail_half_way_change_nothing(
    environment: PluginEnvironment, wheels: Path, folder_was_there: bool
) -> None:
    """An installer that fails when one package is in place has that one taken back, scripts and versions too."""
    make_wheel(wheels, "tiny_z")
    if folder_was_there:
        environment.install_packages(["tiny_z"])
    before = contents(environment.folder) if folder_was_there else {}
    script = {"tiny_b-1.0.dist-info/entry_points.txt": "[console_scripts]\ntiny_b = tiny_b:SAYS\n"}
    make_wheel(wheels, "tiny_b", files=script)
    # The other wheel is good until it is unpacked: its record leads out of the environment.
    make_wheel(wheels, "tiny_c", needs=["tiny_b"], files={"../../../../../../tiny_out.py": ""})
    make_wheel(wheels, "tiny_z", "2.0")

    with pytest.raises(PackageInstallError, match="status 1"):
        environment.install_packages(["-U", "tiny_z", "tiny_c"])

    assert (contents(environment.folder) if environment.folder.exists() else {}) == before
    assert not (environment.folder / COPY).exists()


def test_packages_interrupted_change_nothing(environment: PluginEnvironment, wheels: Path) -> None:
    """An interrupt while packages are put in place takes them back, and ends the installer."""
    make_wheel(wheels, "tiny_a")
    environment.install_packages(["tiny_a"])
    before = contents(environment.folder)
    make_wheel(wheels, "tiny_b")

    def interrupt(line: str) -> None:
        if line.startswith("Successfully installed"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        environment.install_packages(["tiny_b"], InstallWatch(tell=interrupt))

    assert contents(environment.folder) == before
    assert environment.install_packages(["tiny_b"]) is not None, "and can be tried again"


def test_packages_cut_off_by_a_crash_are_undone(
    environment: PluginEnvironment, wheels: Path, tmp_path: Path
) -> None:
    """What a process that ended had put in place is gone at the next start."""
    make_wheel(wheels, "tiny_a")
    environment.install_packages(["tiny_a"])
    before = contents(environment.folder)
    make_wheel(wheels, "tiny_b")
    code = (
        "import os, sys; from pathlib import Path\n"
        "from procengine.model.installation import InstallWatch\n"
        "from procengine.processing.plugin_environment import PluginEnvironment\n"
        "end = lambda line: os._exit(9) if line.startswith('Successfully') else None\n"
        f"one = PluginEnvironment(Path({str(environment.folder)!r}), working_folder=Path({str(tmp_path)!r}))\n"
        "one.install_packages(['tiny_b'], InstallWatch(tell=end))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert (environment.site_packages / "tiny_b.py").exists()

    another = PluginEnvironment(environment.folder, working_folder=tmp_path)
    another.attach()
    another.close()

    assert contents(environment.folder) == before


# Installs a package in another process, and stops with it in place until a line comes.
INSTALL_AND_WAIT = """
import sys
from pathlib import Path
from procengine.model.installation import InstallWatch
from procengine.processing.plugin_environment import PluginEnvironment

def tell(line):
    if line.startswith("Successfully"):
        print("in place", flush=True)
        sys.stdin.readline()

folder = Path(sys.argv[1])
one = PluginEnvironment(folder / "env", working_folder=folder)
one.install_packages(["tiny_b"], InstallWatch(tell=tell))
"""


def test_packages_that_another_process_installs(
    environment: PluginEnvironment, wheels: Path, tmp_path: Path
) -> None:
    """While another process installs, nothing is undone under it, and it is waited for; both packages are there."""
    for name in ("tiny_a", "tiny_b", "tiny_c"):
        make_wheel(wheels, name)
    environment.install_packages(["tiny_a"])
    command = [sys.executable, "-c", INSTALL_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "in place\n"
        another = PluginEnvironment(environment.folder, working_folder=tmp_path)
        another.attach()
        another.close()
        assert (environment.folder / COPY).is_dir()
        told: list[str] = []

        def tell(line: str) -> None:
            told.append(line)
            if line.startswith("waiting for"):
                assert other.stdin is not None
                other.stdin.write("\n")
                other.stdin.flush()

        environment.install_packages(["tiny_c"], InstallWatch(tell=tell))
        assert other.wait() == 0
    assert told[0] == f"waiting for process {other.pid}, which installs there"
    assert {"tiny-a", "tiny-b", "tiny-c"} <= installed([str(environment.site_packages)]).keys()
    assert not (environment.folder / COPY).exists()


def test_packages_refused_before_anything_changes(environment: PluginEnvironment, wheels: Path) -> None:
    """A version that stands behind the kernel's own is a conflict, shown before the installation."""
    make_wheel(wheels, "httpx", "0.0.1")
    make_wheel(wheels, "tiny_a", needs=["httpx<0.1"])
    own = installed(sys.path)["httpx"].version

    with pytest.raises(RefusedError) as refused:
        environment.install_packages(["tiny_a", "httpx<0.1"], InstallWatch(accept=refuse))

    assert set(refused.value.args) == {
        f"plugins go on importing httpx {own}, which the kernel has, not 0.0.1",
        f"tiny_a 1.0 needs httpx<0.1, but httpx {own} is what the kernel has",
    }
    assert not environment.folder.exists()


def test_packages_that_break_others_are_a_conflict(environment: PluginEnvironment, wheels: Path) -> None:
    """What is installed already and would no longer have what it needs is named."""
    make_wheel(wheels, "tiny_a", needs=["tiny_b<2"])
    make_wheel(wheels, "tiny_b")
    environment.install_packages(["tiny_a"])
    make_wheel(wheels, "tiny_b", "2.0")

    with pytest.raises(RefusedError) as refused:
        environment.install_packages(["tiny_b>=2"], InstallWatch(accept=refuse))

    text = "tiny_a 1.0 needs tiny_b<2, but tiny_b 2.0 is what would be installed"
    assert refused.value.args == (text,)


def test_packages_into_the_kernel_are_planned(
    environment: PluginEnvironment, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of the kernel's own packages is a conflict, with what would fit no more; refused, all stays."""
    make_wheel(wheels, "starlette", "0.0.1")
    own = installed(sys.path)["starlette"].version
    monkeypatch.setattr(
        plugin_environment,
        "installed",
        lambda _: {
            "starlette": Package(name="starlette", version=own),
            "tiny-user": Package(name="tiny-user", version="3", needs=("starlette>=0.40",)),
        },
    )
    watch = InstallWatch(accept=refuse, into_kernel=True)

    with pytest.raises(RefusedError) as refused:
        environment.install_packages(["starlette==0.0.1"], watch)

    assert refused.value.args == (
        f"the kernel's starlette {own} becomes 0.0.1",
        "tiny-user 3 needs starlette>=0.40, but starlette 0.0.1 is what would be there",
    )
    assert installed(sys.path)["starlette"].version == own


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """An environment that a test's own Python runs in."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "kernel")], check=True)
    return tmp_path / "kernel"


def run_in(kernel: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a kernel that has its packages from here, pip among them; ``install`` installs into it."""
    before = (
        "import sys; from pathlib import Path\n"
        "from procengine.model.installation import InstallWatch\n"
        "from procengine.processing.plugin_environment import PluginEnvironment\n"
        f"folder = Path({str(kernel.parent)!r})\n"
        "one = PluginEnvironment(folder / 'env', working_folder=folder)\n"
        "def install(*packages, tell=print):\n"
        "    return one.install_packages(packages, InstallWatch(into_kernel=True, tell=tell))\n"
    )
    paths = os.pathsep.join(["", *(path for path in sys.path if path)])
    return subprocess.run(
        [kernel / "bin" / "python", "-c", before + code],
        env={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "") + paths},
        capture_output=True,
        text=True,
        check=False,
    )


def test_packages_into_the_kernel(wheels: Path, kernel: Path, tmp_path: Path) -> None:
    """Asked for, packages go to the Python that runs, and are imported at once; the plugins' own is not made."""
    make_wheel(wheels, "tiny_a")
    code = "done = install('tiny_a', tell=lambda line: None)\nimport tiny_a; print(tiny_a.__file__); print(done)"
    result = run_in(kernel, code)
    assert result.returncode == 0, result.stderr
    where, said = result.stdout.splitlines()
    assert where.startswith(str(kernel))
    assert said == f"installed tiny_a 1.0 into the kernel's own environment, {kernel}"
    assert not (tmp_path / "env").exists()


def _bad_record(wheels: Path) -> None:
    """Make a package that fails when what it needs, and what is replaced, is in place."""
    make_wheel(wheels, "tiny_c", needs=["tiny_b"], files={"../../../../../../tiny_out.py": ""})


def _not_there(wheels: Path) -> None:
    """Make a package whose second dependency does not exist."""
    make_wheel(wheels, "tiny_c", needs=["tiny_b", "tiny_gone"])


def _not_built(wheels: Path) -> None:
    """Make a package whose second dependency tells what it is, and fails when it is built."""
    make_wheel(wheels, "tiny_c", needs=["tiny_b", "tiny_s"])
    source = wheels / "tiny_s-1.0"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: tiny_s\nVersion: 1.0\n")
    (source / "backend.py").write_text(
        "from pathlib import Path\n"
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        "    info = Path(folder) / 'tiny_s-1.0.dist-info'\n"
        "    info.mkdir()\n"
        "    (info / 'METADATA').write_text('Metadata-Version: 2.1\\nName: tiny_s\\nVersion: 1.0\\n')\n"
        "    return info.name\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    raise RuntimeError('it does not build')\n"
    )
    shutil.make_archive(str(source), "gztar", wheels, source.name)
    shutil.rmtree(source)


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (_bad_record, "tiny_out.py"),
        (_not_there, "No matching distribution found for tiny_gone"),
        (_not_built, "it does not build"),
    ],
)
def test_packages_of_the_kernel_whose_dependency_fails_change_nothing(
    wheels: Path, kernel: Path, fail: Callable[[Path], None], said: str
) -> None:
    """Whatever fails of what a package needs, the kernel's own are as they were, also those that were replaced."""
    make_wheel(wheels, "tiny_z", files={"tiny_data/words.txt": "old\n"})
    script = {"tiny_b-1.0.dist-info/entry_points.txt": "[console_scripts]\ntiny_b = tiny_b:SAYS\n"}
    make_wheel(wheels, "tiny_b", files=script)
    assert run_in(kernel, "install('tiny_z')").returncode == 0
    before = contents(kernel)
    make_wheel(wheels, "tiny_z", "2.0", files={"tiny_data/more.txt": "new\n"})
    fail(wheels)
    text = run_in(kernel, "install('-U', 'tiny_z', 'tiny_c')").stderr
    assert "PackageInstallError" in text
    assert said in text
    assert "changed before it failed" not in text
    assert contents(kernel) == before


def test_packages_whose_dependency_does_not_build_change_nothing(
    environment: PluginEnvironment, wheels: Path
) -> None:
    """A dependency that fails when it is built is told, and nothing is installed."""
    make_wheel(wheels, "tiny_b")
    _not_built(wheels)
    with pytest.raises(PackageInstallError, match="it does not build"):
        environment.install_packages(["tiny_c"])
    assert not environment.folder.exists()


def test_packages_into_the_kernel_interrupted(wheels: Path, kernel: Path) -> None:
    """An interrupt when packages are in place takes them back, and brings those back that they had replaced."""
    make_wheel(wheels, "tiny_z")
    assert run_in(kernel, "install('tiny_z')").returncode == 0
    before = contents(kernel)
    make_wheel(wheels, "tiny_z", "2.0", files={"tiny_more/__init__.py": ""})
    code = (
        "def tell(line):\n"
        "    if line.startswith('Successfully installed'):\n"
        "        raise KeyboardInterrupt\n"
        "try:\n"
        "    install('-U', 'tiny_z', tell=tell)\n"
        "except KeyboardInterrupt as error:\n"
        "    import tiny_z; print(tiny_z.SAYS, str(error) or 'nothing left')\n"
    )
    result = run_in(kernel, code)
    assert result.stdout == "1.0 nothing left\n", result.stderr
    assert contents(kernel) == before


needs_uv = pytest.mark.skipif(
    shutil.which("uv") is None and importlib.util.find_spec("uv") is None, reason="uv is not installed"
)


@needs_uv
def test_packages_by_uv(wheels: Path, tmp_path: Path) -> None:
    """Asked for, uv plans and installs as pip does; what it would put behind the kernel's own is a conflict."""
    make_wheel(wheels, "tiny_a", needs=["tiny_b>=1"])
    make_wheel(wheels, "tiny_b")
    environment = PluginEnvironment(tmp_path / "env", working_folder=tmp_path, package_manager="uv")
    lines: list[str] = []
    try:
        environment.install_packages(["tiny_b"])
        make_wheel(wheels, "tiny_b", "1.5")
        done = environment.install_packages(["-U", "tiny_a", "tiny_b"], InstallWatch(tell=lines.append))
        assert done is not None
        assert {(str(one), one.is_requested) for one in done.plan.arrivals} == {
            ("tiny-a 1.0", True),
            ("tiny-b 1.5 (before: 1.0)", True),
        }
        assert any(line.startswith("Installed 2 packages") for line in lines)
        import tiny_a

        assert tiny_a.SAYS == "1.0"
        again = environment.install_packages(["tiny_a"])
        assert str(again) == f"all is there already, in {environment.folder}"
        before = contents(environment.folder)
        make_wheel(wheels, "tiny_c", needs=["tiny_gone"])
        with pytest.raises(PackageInstallError, match="tiny-gone was not found"):
            environment.install_packages(["tiny_c"])
        make_wheel(wheels, "httpx", "0.0.1")
        make_wheel(wheels, "tiny_d", needs=["httpx<0.1"])
        with pytest.raises(RefusedError) as refused:
            environment.install_packages(["tiny_d"], InstallWatch(accept=refuse))
        own = installed(sys.path)["httpx"].version
        assert refused.value.args == (
            f"plugins go on importing httpx {own}, which the kernel has, not 0.0.1",
        )
        assert contents(environment.folder) == before
    finally:
        environment.close()
        for name in ("tiny_a", "tiny_b"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("asked", "has_pip", "has_uv", "by"),
    [
        ("discover", True, True, "pip"),
        ("discover", False, True, "uv"),
        ("discover", True, False, "pip"),
        ("pip", True, True, "pip"),
        ("uv", True, True, "uv"),
        ("uv", True, False, "pip"),
        ("pip", False, True, None),
        ("discover", False, False, None),
    ],
)
def test_which_installer_is_taken(
    monkeypatch: pytest.MonkeyPatch, asked: str, by: str | None, *, has_pip: bool, has_uv: bool
) -> None:
    """pip where there is one, uv where it is asked for or there is no pip; where both are missing that is told."""
    monkeypatch.setattr(installers, "_has_pip", lambda: has_pip)
    monkeypatch.setattr(installers, "_uv", lambda: ("uv",) if has_uv else None)
    told: list[str] = []
    python = Path("nowhere/bin/python")
    if by is None:
        with pytest.raises(PackageInstallError, match="nowhere/bin/python has no pip"):
            installers.installer_of(python, asked=asked, is_own=False, tell=told.append)
        return
    found = installers.installer_of(python, asked=asked, is_own=False, tell=told.append)
    assert type(found) is {"pip": installers.Pip, "uv": installers.Uv}[by]
    assert told == (["uv is not installed: pip does it"] if (asked, by) == ("uv", "pip") else [])


def test_environment_by_a_path_with_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin directory may be named by a path that goes up, or by a relative one; its packages are found there."""
    packages = PluginEnvironment(tmp_path / "env", working_folder=tmp_path).site_packages
    packages.mkdir(parents=True)
    (packages / "tiny_dots.py").touch()
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / "tests" / ".." / "env", Path("env")):
        environment = PluginEnvironment(folder, working_folder=tmp_path)
        environment.attach()
        try:
            assert str(packages) in {os.path.abspath(entry) for entry in sys.path}  # noqa: PTH100
        finally:
            environment.close()
