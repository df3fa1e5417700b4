"""Each command makes the original client's request, to the byte of its body."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path

import pytest

from procengine.errors import InvalidInputError, OperationRefusedError
from procengine.remote import RefusedByServerError, RemoteServer, UnreachableServerError
from tests.remote.conftest import FakeServer, Run

CONFIGURE = "/api/v3/configure"
TRIGGER = f"{CONFIGURE}/processing_engine_trigger"

REQUESTS = [
    ("create database d", "POST", f"{CONFIGURE}/database", {"db": "d", "retention_period": None}),
    (
        "create database --retention-period 30d d",
        "POST",
        f"{CONFIGURE}/database",
        {"db": "d", "retention_period": "30days"},
    ),
    (
        "update database -d d -r none",
        "PUT",
        f"{CONFIGURE}/database",
        {"db": "d", "retention_period": None},
    ),
    ("delete database d", "DELETE", f"{CONFIGURE}/database?db=d", None),
    (
        "delete database --hard-delete NOW d",
        "DELETE",
        f"{CONFIGURE}/database?db=d&hard_delete_at=now",
        None,
    ),
    (
        "create table -d d --tags a,b -f x:int64,y:utf8 t",
        "POST",
        f"{CONFIGURE}/table",
        {
            "db": "d",
            "table": "t",
            "tags": ["a", "b"],
            "fields": [{"name": "x", "type": "int64"}, {"name": "y", "type": "utf8"}],
        },
    ),
    ("delete table -d d t", "DELETE", f"{CONFIGURE}/table?db=d&table=t", None),
    (
        "update table -d d -r 1h t",
        "POST",
        "/api/v3/enterprise/configure/table/retention_period?db=d&table=t&duration=1h",
        None,
    ),
    (
        "update table -d d -r none t",
        "DELETE",
        "/api/v3/enterprise/configure/table/retention_period?db=d&table=t",
        None,
    ),
    (
        "delete last_cache -d d -t t c",
        "DELETE",
        f"{CONFIGURE}/last_cache",
        {"db": "d", "table": "t", "name": "c"},
    ),
    (
        "delete distinct_cache -d d -t t c",
        "DELETE",
        f"{CONFIGURE}/distinct_cache",
        {"db": "d", "table": "t", "name": "c"},
    ),
    (
        "create trigger -d d --path p.py --trigger-spec table:t --trigger-arguments a=1 --error-behavior retry x",
        "POST",
        TRIGGER,
        {
            "db": "d",
            "plugin_filename": "p.py",
            "trigger_name": "x",
            "trigger_settings": {"run_async": False, "error_behavior": "retry"},
            "trigger_specification": "table:t",
            "trigger_arguments": {"a": "1"},
            "disabled": False,
        },
    ),
    (
        "delete trigger -d d --force x",
        "DELETE",
        TRIGGER,
        {"db": "d", "trigger_name": "x", "force": True},
    ),
    ("enable trigger -d d x", "POST", f"{TRIGGER}/enable?db=d&trigger_name=x", None),
    ("disable trigger -d d x", "POST", f"{TRIGGER}/disable?db=d&trigger_name=x", None),
    ("update trigger -d d -t x --enabled", "POST", f"{TRIGGER}/enable?db=d&trigger_name=x", None),
    (
        "update trigger -d d -t x -p p.py",
        "PUT",
        "/api/v3/plugins/files?db=d",
        {"plugin_name": "x", "content": "# p"},
    ),
    (
        "update trigger -d d -t x -p pack",
        "PUT",
        "/api/v3/plugins/directory?db=d",
        {"plugin_name": "x", "files": [{"relative_path": "__init__.py", "content": "# i"}]},
    ),
    ("delete token --token-name n", "DELETE", f"{CONFIGURE}/token?token_name=n", None),
    (
        "install package a b",
        "POST",
        f"{CONFIGURE}/plugin_environment/install_packages",
        {"packages": ["a", "b"]},
    ),
    (
        "install package -r r.txt",
        "POST",
        f"{CONFIGURE}/plugin_environment/install_requirements",
        {"requirements_location": "r.txt"},
    ),
    ("show databases", "GET", f"{CONFIGURE}/database?format=pretty&show_deleted=false", None),
    (
        "query -d d --format jsonl 'SELECT 1'",
        "POST",
        "/api/v3/query_sql",
        {"db": "d", "q": "SELECT 1", "format": "json_lines", "params": None},
    ),
    (
        "query -d d -l influxql 'SHOW DATABASES'",
        "POST",
        "/api/v3/query_influxql",
        {"db": "d", "q": "SHOW DATABASES", "format": "pretty", "params": None},
    ),
    (
        "show tokens --format csv",
        "POST",
        "/api/v3/query_sql",
        {"db": "_internal", "q": "SELECT * FROM system.tokens", "format": "csv", "params": None},
    ),
    ("restore database d", "POST", f"{CONFIGURE}/database/restore?db=d", None),
    ("restore table -d d t", "POST", f"{CONFIGURE}/table/restore?db=d&table=t", None),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A plugin file and a plugin folder beside the command line."""
    (tmp_path / "p.py").write_text("# p")
    (tmp_path / "pack" / "__pycache__").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("# i")
    (tmp_path / "pack" / "__pycache__" / "x.py").write_text("# no")
    return tmp_path


@pytest.mark.parametrize(("line", "method", "target", "body"), REQUESTS)
def test_a_command_is_one_request(
    ask: Run, fake: FakeServer, files: Path, line: str, method: str, target: str, body: object
) -> None:
    """Method, path, parameters and body are those of the original's client; the token goes as Bearer."""
    ask(line)

    (asked,) = fake.asked
    assert (asked.method, asked.target) == (method, target)
    assert asked.headers["authorization"] == "Bearer T"
    assert asked.headers["content-type"] == "application/json"
    assert (json.loads(asked.body) if asked.body else None) == body


CACHES = [
    (
        "create last_cache -d d -t t",
        "last_cache",
        {"db": "d", "table": "t", "count": 1, "ttl": 14_400},
    ),
    (
        "create last_cache -d d -t t --key-columns a --value-columns b,c --count 2 --ttl 1m n",
        "last_cache",
        {
            "db": "d",
            "table": "t",
            "name": "n",
            "key_columns": ["a"],
            "value_columns": ["b", "c"],
            "count": 2,
            "ttl": 60,
        },
    ),
    (
        "create distinct_cache -d d -t t --columns a,b",
        "distinct_cache",
        {
            "db": "d",
            "table": "t",
            "columns": ["a", "b"],
            "max_cardinality": 100_000,
            "max_age": 86_400,
        },
    ),
]


@pytest.mark.parametrize(("line", "what", "body"), CACHES)
def test_caches_are_told_of(ask: Run, fake: FakeServer, line: str, what: str, body: object) -> None:
    """What a new cache is answered with is shown; 204 says that there was one."""
    fake.status, fake.body = 201, b'{"a":1}'
    assert ask(line) == 'new cache created: {\n  "a": 1\n}'
    fake.status, fake.body = 204, b""
    assert ask(line) == "a cache already exists for the provided parameters"
    assert {(one.method, one.target) for one in fake.asked} == {("POST", f"{CONFIGURE}/{what}")}
    assert [json.loads(one.body) for one in fake.asked] == [body, body]


TOKENS = [
    ("create token --admin", f"{CONFIGURE}/token/admin", b""),
    ("create token --admin --regenerate", f"{CONFIGURE}/token/admin/regenerate", b""),
    (
        "create token --admin --name n --expiry 1d",
        f"{CONFIGURE}/token/named_admin",
        b'{"token_name":"n","expiry_secs":86400}',
    ),
]


@pytest.mark.parametrize(("line", "target", "body"), TOKENS)
def test_tokens_are_shown_once(ask: Run, fake: FakeServer, line: str, target: str, body: bytes) -> None:
    """A token's text is printed with what to do with it, as text and as JSON."""
    fake.status, fake.body = 201, b'{"token":"apiv3_x"}'
    assert "\nToken: apiv3_x\nHTTP Requests Header: Authorization: Bearer apiv3_x\n" in ask(line)
    assert json.loads(ask(f"{line} --format json"))["token"] == "apiv3_x"
    assert {(one.method, one.target, one.body) for one in fake.asked} == {("POST", target, body)}


def test_the_operator_token_is_not_deleted(ask: Run, fake: FakeServer) -> None:
    """The original says how to make it anew, and asks the server nothing."""
    assert "required and cannot be deleted" in ask("delete token --token-name _admin")
    assert fake.asked == []


def test_a_folder_is_uploaded_file_by_file(ask: Run, fake: FakeServer, files: Path) -> None:
    """``--upload`` sends the plugin's files, then creates the trigger with the folder's name."""
    ask("create trigger -d d --path pack --upload --trigger-spec all_tables x")
    upload, creation = fake.asked
    assert (upload.method, upload.target) == ("POST", "/api/v3/plugins/files?db=d")
    assert json.loads(upload.body) == {"plugin_name": "pack/__init__.py", "content": "# i"}
    assert json.loads(creation.body)["plugin_filename"] == "pack"


def test_writes_are_split_and_compressed(ask: Run, fake: FakeServer) -> None:
    """Pieces end at line ends; parameters that were not said are not sent."""
    lines = b"".join(b"m f=%d\n" % number for number in range(100))
    told: list[str] = []
    ask("write -d d --max-request-size 100 --gzip --max-concurrent-requests 1", stdin=lines, told=told)
    bodies = [gzip.decompress(one.body) for one in fake.asked]
    assert b"".join(bodies) == lines
    assert all(len(body) <= 100 and body.endswith(b"\n") for body in bodies)
    assert {one.target for one in fake.asked} == {"/api/v3/write_lp?db=d"}
    assert {one.headers["content-encoding"] for one in fake.asked} == {"gzip"}
    assert len(told) == len(bodies)
    assert f" {len(bodies)} requests (" in told[-1]
    assert " 100 lines (" in told[-1]


def test_write_parameters(ask: Run, fake: FakeServer) -> None:
    """What was said is sent, in the original's order."""
    ask("write -d d -p ms --accept-partial --no-sync 'm f=1'")
    (asked,) = fake.asked
    assert asked.target == "/api/v3/write_lp?db=d&precision=ms&accept_partial=true&no_sync=true"
    assert asked.body == b"m f=1"
    assert "content-encoding" not in asked.headers


def test_writes_go_several_at_a_time(ask: Run, fake: FakeServer) -> None:
    """As many requests are under way as were allowed: each waits here for the others."""
    fake.gate = threading.Barrier(4)
    ask("write -d d --max-request-size 6 --max-concurrent-requests 4 -q", stdin=b"m f=1\n" * 8)
    assert len(fake.asked) == 8


def test_the_first_failure_ends_a_write(ask: Run, fake: FakeServer) -> None:
    """A piece that is refused fails the command; what follows is not sent."""
    fake.status, fake.body = 400, b'{"error":"bad","data":null}'
    with pytest.raises(RefusedByServerError):
        ask("write -d d --max-request-size 6 --max-concurrent-requests 2", stdin=b"m f=1\n" * 50)
    assert len(fake.asked) < 50


REFUSALS = [
    (400, b"plain", "server responded with error [400 Bad Request]: plain"),
    (
        401,
        b'{"error": "the request was not authenticated"}',
        'server responded with error [401 Unauthorized]: {"error": "the request was not authenticated"}',
    ),
    (
        409,
        b'{"error_code":"x","message":"there is one"}',
        "server responded with error [409 Conflict]: there is one",
    ),
    (599, b"", "server responded with error [599 <unknown status code>]: "),
    (302, b"", "server responded with error [302 Found]: "),
]


@pytest.mark.parametrize(("status", "body", "text"), REFUSALS)
def test_refusals_read_as_the_originals(
    ask: Run, fake: FakeServer, status: int, body: bytes, text: str
) -> None:
    """Status, reason and the body's message are shown; redirects are not followed."""
    fake.status, fake.body = status, body
    with pytest.raises(RefusedByServerError) as caught:
        ask("create database d")
    assert str(caught.value) == text
    assert len(fake.asked) == 1


def test_what_the_api_lacks_is_said(ask: Run, fake: FakeServer) -> None:
    """A server without the request of a command is named as the reason."""
    fake.status, fake.body = 404, b"Not found"
    with pytest.raises(OperationRefusedError, match="cannot be restored there"):
        ask("restore database d")
    fake.body = b"Database not found d"
    with pytest.raises(RefusedByServerError, match="Database not found d"):
        ask("restore database d")
    with pytest.raises(OperationRefusedError, match="cannot change"):
        ask("update trigger -d d -t x --error-behavior retry")


def test_an_answer_that_breaks_off_is_a_failure(ask: Run, fake: FakeServer) -> None:
    """Half a result is not taken for a whole one."""
    fake.body, fake.length = b"[{}", 100
    with pytest.raises(UnreachableServerError, match="breaks off"):
        ask("query -d d --format json 'SELECT 1'")


UNUSABLE = [
    ("ftp://x", {}, "--host cannot be 'ftp://x'; accepted: a URL such as"),
    ("127.0.0.1:8181", {}, "--host cannot be '127.0.0.1:8181'"),
    ("http://x:y", {}, "--host cannot be 'http://x:y'"),
    ("https://x", {"tls_ca": "/gone.pem"}, "--tls-ca '/gone.pem' cannot be used: No such file"),
    ("http://x", {"token": "a\r\nb"}, "--token cannot be used"),
]


@pytest.mark.parametrize(("url", "options", "text"), UNUSABLE)
def test_unusable_connections_are_refused(url: str, options: dict[str, str], text: str) -> None:
    """URL, certificate and token are looked at before anything is sent."""
    with pytest.raises(InvalidInputError) as caught:
        RemoteServer(url, **options)
    assert text in str(caught.value)


def test_an_unreachable_host_is_named(ask: Run, fake: FakeServer) -> None:
    """What, where, and what to do are in the text; TLS with a server that has none is told as such."""
    with pytest.raises(UnreachableServerError, match=r"cannot reach http://127.0.0.1:1: .*--host"):
        ask("show databases --host http://127.0.0.1:1")
    secure = fake.url.replace("http:", "https:")
    with pytest.raises(UnreachableServerError, match=r"cannot speak TLS with .*does it serve https"):
        ask(f"show databases --host {secure} --tls-no-verify")
