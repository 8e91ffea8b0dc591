"""Completion in real shells: what is offered for the words of a command line."""

import os
import shutil
import subprocess
import sys

import pytest

BASH = """
source <(mlhub-async completion bash)
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_mlhub_async_completion mlhub-async
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ : }}
compadd() {{ while [ "$1" != -a ]; do shift; done; print -l -- "${{(P@)2}}"; }}
_describe() {{ print -l -- "${{(P@)3}}"; }}
_path_files() {{ print files; }}
eval "$(mlhub-async completion zsh)"
words=({words}); CURRENT=${{#words}}
_mlhub_async_completion
"""
FISH = """
mlhub-async completion fish | source
complete --do-complete "{line}"
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@pytest.fixture(params=SCRIPTS)
def offered(request, tmp_path):
    """`offered("mirror", "--if")` gives the words that the shell offers for the last one."""
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(f"{request.param} is not installed")
    program = tmp_path / "bin" / "mlhub-async"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'mlhub-async'\n"
        "from mlhub_async.__main__ import main\nmain()\n"
    )
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(*words):
        quoted = " ".join(f"'{word}'" for word in ("mlhub-async", *words))
        script = SCRIPTS[request.param].format(words=quoted, line=" ".join(("mlhub-async", *words)))
        done = subprocess.run(
            [shell, "-c", script],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        return {line.split("\t")[0].split(":")[0] for line in done.stdout.splitlines() if line}

    return run


def test_commands_are_completed(offered):
    assert offered("se") == {"selftest", "serve", "serve-demo"}


def test_options_are_completed_by_the_spelling_that_the_help_shows(offered):
    found = offered("mirror", "--max-")
    assert {"--max-items", "--max-per-host", "--max-duration"} <= found
    assert not {"--max-workers", "--max-concurrent-downloads", "--max-splits"} & found


def test_values_are_completed(offered):
    assert offered("mirror", "--if-exists", "re") == {"resume", "refresh"}
