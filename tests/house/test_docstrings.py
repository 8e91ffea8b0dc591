"""The examples in docstrings of the public names run on the sample catalogue, as in `python -m asyncio`."""

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
from pathlib import Path

import pytest

import mlhub_async
import mlhub_async.demo
from mlhub_async import Options, Selection
from mlhub_async.api import blocking

PARSER, CHECKER = doctest.DocTestParser(), doctest.OutputChecker()
PUBLIC = {name: getattr(mlhub_async, name) for name in mlhub_async.__all__ if name != "__version__"}
CALLS = {
    **PUBLIC,
    **{f"blocking.{name}": vars(blocking)[name] for name in ("mirror", "mirrored", "plan", "diff", "verify")},
    **{f"Client.{name}": call for name, call in inspect.getmembers(mlhub_async.Client, callable)},
}
EXAMPLES = {
    name: found for name, one in CALLS.items() if (found := PARSER.get_examples(inspect.getdoc(one) or ""))
}


async def run(examples, names):
    """Each example in its turn; what it prints, and the value of an expression, has to be what is written."""
    for example in examples:
        out = io.StringIO()
        code = compile(example.source, "<example>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(out):
            result = eval(code, names)
            if inspect.isawaitable(result):
                await result
        assert CHECKER.check_output(example.want, out.getvalue(), doctest.ELLIPSIS), (
            f"{example.source}expected:\n{example.want}got:\n{out.getvalue()}"
        )


@pytest.fixture
async def mirror_of_the_sample(tmp_path, monkeypatch):
    """`mirror/` in the current directory: the labels of the sample."""
    monkeypatch.chdir(tmp_path)
    async with mlhub_async.demo.serve() as site:
        labels = Selection("ref_landcovernet_v1_labels", follow_sources=False)
        (
            await mlhub_async.mirror(site.root, "mirror", Options(labels, api_key=site.key))
        ).raise_for_failures()


@pytest.mark.parametrize("name", EXAMPLES)
async def test_the_examples_of_a_docstring_run(name, mirror_of_the_sample):
    names = {"mlhub_async": mlhub_async, "Options": Options, "Selection": Selection, "Path": Path}
    await run(EXAMPLES[name], {**names, "asyncio": asyncio})


def test_the_calls_that_a_reader_begins_with_have_an_example():
    assert {"mirror", "mirrored", "verify", "diff", "assets", "Client", "blocking.mirrored"} <= set(EXAMPLES)


async def test_an_example_with_another_result_is_noticed():
    [wrong] = PARSER.get_examples(">>> 1 + 1\n3\n")
    with pytest.raises(AssertionError, match="expected"):
        await run([wrong], {})
