# SPDX-License-Identifier: BSD-2-Clause
"""Goal: the code keeps the shape that its readers rely on.

Method: functions, files and calls are measured from the text; clang-format and shellcheck are asked."""

import re
import subprocess

import pytest

import sources
from sources import none

LINES_IN_FUNCTION = 70
PARAMETERS = 4
LINES_IN_FILE = 700
# functions whose parameters a library dictates
DICTATED = {
    "on_accept",  # evconnlistener_cb of libevent
}
BANNED = {  # in C: what to use instead
    "strcpy": "snprintf, or memcpy of a known size", "strcat": "snprintf", "strncpy": "snprintf", "strncat": "snprintf",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "getline", "strtok": "strchr", "strtok_r": "strchr",
    "atoi": "strtoul and its end pointer", "atol": "strtol and its end pointer", "atoll": "strtoll and its end pointer",
    "atof": "integers", "alloca": "an array of a named maximum", "system": "posix_spawn", "popen": "posix_spawn and a pipe",
    "sleep": "wait for the event", "usleep": "wait for the event", "nanosleep": "wait for the event",
    "rand": "getrandom", "srand": "getrandom", "random": "getrandom", "tmpnam": "mkstemp", "mktemp": "mkstemp",
    "tempnam": "mkstemp", "localtime": "localtime_r", "gmtime": "gmtime_r", "ctime": "strftime", "asctime": "strftime",
    "inet_addr": "addr_parse", "inet_aton": "addr_parse", "inet_ntoa": "addr_format", "gethostbyname": "numeric addresses",
    "setjmp": "return a negative errno", "longjmp": "return a negative errno", "select": "epoll or poll",
    "cJSON_GetObjectItem": "json_get", "cJSON_HasObjectItem": "json_get", "cJSON_Print": "json_print",
    "cJSON_PrintUnformatted": "json_print", "cJSON_Parse": "json_read", "cJSON_ParseWithLength": "json_read",
    "cJSON_ParseWithOpts": "json_read", "cJSON_ParseWithLengthOpts": "json_read", "cJSON_GetArrayItem": "cJSON_ArrayForEach",
}
ALLOWED = {
    ("dataplane/plane/json.c", "cJSON_ParseWithLength"),  # the strict reader itself
    # bounded tries of what the kernel gives no event for: a lock, a queue whose owner just died
    ("dataplane/plane/server_socket.c", "nanosleep"), ("bpf/backend_state.c", "nanosleep"), ("dataplane/dpdk/steer.c", "nanosleep"),
}
TESTS_MAY = {"cJSON_GetArrayItem", "cJSON_Print", "cJSON_PrintUnformatted", "cJSON_ParseWithLength"}
BANNED_PYTHON = {
    r"time\.sleep\((?!.*# time is the point)": "wait for the event, or the lab's own wait; or say \"# time is the point: why\"",
    r"os\.system\(": "subprocess.run with a list", r"shell=True": "a list of arguments",
    r"(?<![\w.])(eval|exec)\(": "code", r"except:": "the exception that is meant",
}
ALLOWED_PYTHON = {"tests/netns/lab.py"}  # the one polling wait, with its deadline

C_FILES = sources.files(".c", ".h")
PYTHON_FILES = [path for path in sources.files() if path.suffix == ".py"]
SHELL_FILES = [path for path in sources.files() if sources.is_script(path, "bash", "/sh")]  # what they source is read with them


def test_functions_fit_on_a_page():
    none([f"{path}:{line}: {name}() has {lines} lines" for path in C_FILES
            for name, line, _, lines in sources.functions(path) if lines > LINES_IN_FUNCTION])


def test_functions_take_few_parameters():
    none([f"{path}:{line}: {name}() takes {count}" for path in C_FILES
            for name, line, count, _ in sources.functions(path) if count > PARAMETERS and name not in DICTATED])


def test_functions_are_found():
    """The canary of the two tests above."""
    found = {name: (count, lines) for name, _, count, lines in sources.functions("dataplane/core/encap.h")}
    assert found["fl_encap_template"][0] == 2 and found["fl_encap_template"][1] > 15
    assert found["fl_encap_write"][0] == 4
    assert sum(1 for path in C_FILES for _ in sources.functions(path)) > 300


def test_files_stay_readable():
    none([f"{path}: {sources.text(path).count(chr(10))} lines" for path in [*C_FILES, *PYTHON_FILES, *SHELL_FILES]
            if sources.text(path).count("\n") > LINES_IN_FILE])


def banned_calls(path, code):
    for number, line in enumerate(code.split("\n"), 1):
        for name in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
            allowed = (str(path), name) in ALLOWED or name in TESTS_MAY and str(path).startswith("tests/")
            if name in BANNED and not allowed:
                yield f"{path}:{number}: {name}(): use {BANNED[name]}"


@pytest.mark.parametrize("folder", sorted({str(path.parent) for path in C_FILES}))
def test_no_banned_call(folder):
    none([call for path in C_FILES if str(path.parent) == folder for call in banned_calls(path, sources.code(path))])


def test_banned_calls_are_found():
    """The canary of the test above."""
    for line in ("\tstrcpy(a, b);", "\treturn system(text);", "\tif (atoi (s) > 1)", "\telse sleep(1);", "(void)popen(a, b);"):
        assert len(list(banned_calls("dataplane/plane/x.c", line))) == 1, line
    for line in ("\tjson_get(a, b);", "\tcJSON_GetObjectItemCaseSensitive(a, b);", "\tengine->system(x);", "\tmy_sleep(1);"):
        assert not list(banned_calls("dataplane/plane/x.c", line)), line


def test_no_banned_call_in_python():
    none([f"{path}:{number}: {line.strip()}: use {instead}" for path in PYTHON_FILES if path.name != "test_shape.py"
            for number, line in enumerate(sources.text(path).split("\n"), 1)
            for pattern, instead in BANNED_PYTHON.items()
            if re.search(pattern, line) and not ("sleep" in pattern and str(path) in ALLOWED_PYTHON)])


def test_clang_format_has_nothing_to_say():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, C_FILES)], cwd=sources.TOP, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, "\n".join(re.findall(r"^\S+:\d+:\d+: error.*", done.stderr, re.M)[:40])


def test_shellcheck_has_nothing_to_say():
    assert SHELL_FILES
    done = subprocess.run(["shellcheck", "-x", *map(str, SHELL_FILES)], cwd=sources.TOP, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout
