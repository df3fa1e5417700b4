"""Installing packages for plugins: planned before, told as it goes, undone when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from procengine.errors import PackageInstallError
from procengine.model.installation import InstallPlan, InstallWatch
from procengine.processing import plugin_environment
from procengine.processing.environment_copy import COPY, EnvironmentCopy
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


def test_packages_that_another_process_installs(environment: PluginEnvironment, tmp_path: Path) -> None:
    """While another process installs, nothing is undone under it, and nothing else is installed."""
    environment.site_packages.mkdir(parents=True)
    (environment.folder / "pyvenv.cfg").write_text("")
    packages = environment.site_packages.relative_to(environment.folder)
    EnvironmentCopy(environment.folder, (packages,)).make()
    (environment.folder / COPY / "pid").write_text(str(os.getppid()))

    environment.attach()

    assert (environment.folder / COPY).is_dir()
    with pytest.raises(PackageInstallError, match=f"process {os.getppid()} is installing"):
        environment.install_packages(["tiny_a"])


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


def test_packages_into_the_kernel(wheels: Path, tmp_path: Path) -> None:
    """Asked for, packages go to the Python that runs, and are imported at once; the plugins' own is not made."""
    make_wheel(wheels, "tiny_a")
    kernel = tmp_path / "kernel"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(kernel)], check=True)
    code = (
        "import sys; from pathlib import Path\n"
        "from procengine.model.installation import InstallWatch\n"
        "from procengine.processing.plugin_environment import PluginEnvironment\n"
        f"one = PluginEnvironment(Path({str(tmp_path / 'env')!r}), working_folder=Path({str(tmp_path)!r}))\n"
        "done = one.install_packages(['tiny_a'], InstallWatch(into_kernel=True))\n"
        "import tiny_a; print(tiny_a.__file__); print(done)"
    )
    # The kernel of the test has its packages from here, pip among them.
    paths = os.pathsep.join(["", *(path for path in sys.path if path)])
    result = subprocess.run(
        [kernel / "bin" / "python", "-c", code],
        env={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "") + paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    where, said = result.stdout.splitlines()
    assert where.startswith(str(kernel))
    assert said == f"installed tiny_a 1.0 into the kernel's own environment, {kernel}"
    assert not (tmp_path / "env").exists()


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
