# SPDX-License-Identifier: BSD-2-Clause
"""
Goal: what the README promises a stranger is true, and the quickstart leaves nothing behind.
Method: run it as the README says, on each plane; look for its namespaces, mounts, processes and files after. Then keep
one running and type the commands of the README's worked example, and those of docs/operations.md, into it: same output
but for numbers.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from lab import BUILD, TOP, wait_until

QUICKSTART = TOP / "tools" / "quickstart"


def quickstart(*argv):
    return subprocess.run([QUICKSTART, *argv], capture_output=True, text=True, timeout=300,
                          check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                                            "FAIRLEAD_BUILD": str(BUILD), "HOME": "/nonexistent"})


def left_behind(directory):
    """What of the quickstart in @p directory is on the machine: namespaces, mounts, processes, files."""
    namespaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True,
                                check=True).stdout.split()
    processes = subprocess.run(["ps", "-e", "-o", "args="], capture_output=True, text=True,
                               check=True).stdout.splitlines()
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    tag = "fl" + directory.rsplit(".", 1)[1] + "-"
    return ([name for name in namespaces if name.startswith(tag)] +
            [line for line in processes + mounts if f"{directory}/" in line] +
            [path for path in [directory] if Path(path).exists()])


@pytest.mark.parametrize("plane", ["dpdk", "xdp"])
def test_quickstart_leaves_nothing(plane):
    result = quickstart("--plane", plane)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"fairlead-{plane} and fairleadd" in result.stdout
    assert "web: 1000 of 1000 answered" in result.stdout
    assert "web6: 200 of 200 answered" in result.stdout
    assert "echo: 100 of 100 answered" in result.stdout
    assert "b3 is drained, after " in result.stdout
    later = re.search(r"download from b3 was whole after [0-9.]+ s, the drain ended after [0-9.]+ s: ([0-9.]+) s later", result.stdout)
    assert float(later.group(1)) <= 8
    directory = re.search(r"(/tmp/fairlead-quickstart\.\w+)/plane0.json: good", result.stdout).group(1)
    assert left_behind(directory) == []


def test_quickstart_refuses_unknown_arguments():
    result = quickstart("--kepe")
    assert result.returncode == 64
    assert "--kepe" in result.stderr and result.stdout == ""
    for argv in (["--plane", "vpp"], ["--plane"]):
        result = quickstart(*argv)
        assert result.returncode == 64 and "it is dpdk or xdp" in result.stderr, argv


@pytest.fixture(name="kept", scope="module")
def kept_fixture():
    result = quickstart("--keep")
    assert result.returncode == 0, result.stdout + result.stderr
    directory = re.search(r"--stop (\S+)", result.stdout).group(1)
    assert left_behind(directory)  # that it can be seen at all
    yield result.stdout
    assert quickstart("--stop", directory).returncode == 0
    assert left_behind(directory) == []


def examples_of(document):
    """(command, output) of each `$ command` in its console blocks."""
    text = (TOP / document).read_text(encoding="utf-8")
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def shape(text):
    """Output with everything that differs from run to run masked."""
    text = re.sub(r"/tmp/fairlead-quickstart\.\w+", "DIR", text)
    text = re.sub(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", "M", text)
    text = re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{16}\b", "H", text)
    text = re.sub(r"[0-9][0-9.,]*", "N", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def typed(kept, command):
    """What a command prints, with the aliases of the cluster."""
    aliases = re.findall(r"^ +(alias \w+='.*')$", kept, re.MULTILINE)
    assert len(aliases) == 4
    words = "\n".join(["shopt -s expand_aliases", *aliases, command])
    result = subprocess.run(["bash", "-c", words], capture_output=True, text=True, timeout=100, check=False, cwd=TOP)
    return result.stdout + result.stderr


def test_the_worked_examples_are_what_they_print(kept):
    """In one cluster, one after the other: the README ends with a backend drained."""
    again = "fairlead backend undrain b3 --vip web"
    examples = [*examples_of("README.md"), (again, None), *examples_of("docs/operations.md")]
    assert len(examples) >= 15
    for command, expected in examples:
        output = typed(kept, command)
        assert expected is None or shape(output) == shape(expected), command


@pytest.mark.parametrize("again", ["restart_plane", "restart_fairleadd"])
def test_what_keep_prints_restarts(kept, again):
    def of_plane(member):
        planes = json.loads(typed(kept, "fairlead -j status 2>/dev/null || echo '{}'").splitlines()[-1]).get("planes", [{}])
        return planes[0].get(member)

    before = wait_until(lambda: (of_plane("since_ms") or 0) > 5000 and of_plane("since_ms"), 30, "a while in sync")
    typed(kept, again)
    wait_until(lambda: of_plane("in_sync") and of_plane("since_ms") < before, 60, "in sync, anew")
    download = re.search(r"^ +(curl --limit-rate .*)$", kept, re.MULTILINE).group(1)
    assert typed(kept, f"{download} -s --max-time 10 -r 0-99 -w '%{{http_code}} %{{size_download}}'") == "206 100"


def test_the_readme_commands_exist():
    text = (TOP / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^sudo (tools/\S+)", text, re.MULTILINE)
    assert commands == ["tools/quickstart", "tools/check"]
    assert "tools/check" in (TOP / ".ci" / "run").read_text(encoding="utf-8")
    for command in commands:
        assert (TOP / command).stat().st_mode & 0o111


@pytest.mark.parametrize("argv", [["fairlead-dpdk", "--check", "plane0.json"],
                                  ["fairlead", "config", "check", "quickstart.json"]])
def test_the_examples_are_good(argv):
    command = [str(BUILD / argv[0]), *argv[1:-1], str(TOP / "docs" / "examples" / argv[-1])]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 0, result.stderr
