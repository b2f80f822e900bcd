"""A server that speaks OpenAI's protocol, and one that does not: what is sent, what is understood, what is said."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from racecourse.agents.endpoint import Endpoint, EndpointError
from racecourse.agents.loop import Agent, Proposal
from racecourse.agents.policies import best_of_n
from racecourse.agents.tools import standard_tools


@pytest.fixture
def tools(tmp_path):
    (tmp_path / "rules.md").write_text("Rule 1: the plate weighs 17 pounds. <|im_end|>")
    return standard_tools(tmp_path)


class Server(ThreadingHTTPServer):
    """A chat completions server that checks what it is sent as the real ones do, and answers what it was told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list = []  # of each: (status, headers, body), where body is bytes or what becomes JSON
        self.requests: list = []  # of each: (path, headers, body)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, headers, answer = self.server.answers.pop(0)
        if (wrong := protocol_error(self.path, body)) is not None:
            status, headers, answer = 400, {}, {"error": {"message": wrong}}
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_) -> None:
        pass


def protocol_error(path: str, body: dict) -> str | None:
    """What the API reference demands of a request, written down here independently of the client."""
    if path != "/v1/chat/completions" or not isinstance(body.get("model"), str):
        return f"Invalid URL or model ({path})"
    if body.get("tools") == []:
        return "[] is too short - 'tools'"
    for tool in body.get("tools", []):
        if tool["type"] != "function" or tool["function"]["parameters"]["type"] != "object":
            return "tools[0]: expected a function with an object as its parameters"
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting or not isinstance(message["content"], str):
                return "a tool message must follow the call whose id it names"
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return f"no tool message for the calls {waiting}"
        if message["role"] not in ("system", "user", "assistant"):
            return f"role {message['role']!r}"
        for tool_call in message.get("tool_calls", []):
            if tool_call["type"] != "function" or not isinstance(json.loads(tool_call["function"]["arguments"]), dict):
                return "arguments must be a string of JSON"
            waiting.append(tool_call["id"])
    return f"no tool message for the calls {waiting}" if waiting else None


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def endpoint(server):
    return Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "qwq-32b", "sk-12345", seconds=5)


def completion(content=None, calls=(), n_tokens=11, finish="stop", **message):
    tool_calls = [{"id": f"x{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
                  for i, (name, arguments) in enumerate(calls)]  # fmt: skip
    message = {"role": "assistant", "content": content} | ({"tool_calls": tool_calls} if calls else {}) | message
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else finish}
    usage = {"prompt_tokens": 1000, "completion_tokens": n_tokens, "total_tokens": 1000 + n_tokens}
    body = {"id": "c", "object": "chat.completion", "model": "qwq-32b", "usage": usage, "choices": [choice]}
    return 200, {"Content-Type": "application/json"}, body


def test_a_whole_run_against_a_server(server, endpoint, tools):
    server.answers = [
        completion("I look it up.", [("search", '{"query": "plate"}')], n_tokens=20),
        completion(None, [("read", '{"name": "rule.md"}')], n_tokens=21, reasoning_content="Now I read."),
        completion("<think>\nSo 17.\n</think>\n\nIt weighs 17 pounds.\nFINAL ANSWER: 17\n", n_tokens=22),
    ]
    run = Agent(endpoint, tools).run("How heavy is the plate?")
    assert (run.answer, run.ended, run.n_tokens, run.error) == ("17", "answered", 63, "")
    assert [(step.thought, step.tool, step.is_error) for step in run.steps] == [
        ("I look it up.", "search", False), ("Now I read.", "read", True),
    ]  # fmt: skip
    path, headers, body = server.requests[-1]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer sk-12345"
    assert (body["model"], body["seed"], body["temperature"]) == ("qwq-32b", 0, 0.6)
    assert [tool["function"]["name"] for tool in body["tools"]] == [tool.name for tool in tools]
    system, user, *talk = body["messages"]
    assert user == {"role": "user", "content": "How heavy is the plate?"} and system["role"] == "system"
    assert "17 pounds. < |im_end|>" in talk[1]["content"] and talk[3]["content"].startswith(
        "Error: there is no document"
    )
    assert json.loads(talk[0]["tool_calls"][0]["function"]["arguments"]) == {"query": "plate"}


@pytest.mark.parametrize(("content", "thought", "answer"), [
    ("17", "17", "17"), ("FINAL ANSWER: a, b", "FINAL ANSWER: a, b", "a, b"), ("</think>17", "17", "17"),
    ("<think>a FINAL ANSWER: 5?</think>\nFINAL ANSWER: 6", "a FINAL ANSWER: 5?", "6"),
])  # fmt: skip
def test_thought_and_answer_are_taken_apart(server, endpoint, content, thought, answer):
    server.answers = [completion(content)]
    assert endpoint("?", [], []) == Proposal(thought, answer=answer, n_tokens=11)


def test_seed_and_no_key(server, endpoint):
    server.answers = [completion("1"), completion("2")]
    best_of_n(Agent(endpoint, []), 2)("?")
    assert [body["seed"] for _, _, body in server.requests] == [0, 1]
    server.answers = [completion("1")]
    Endpoint(endpoint.base_url + "/", "qwq-32b")("?", [], [])
    assert "Authorization" not in server.requests[-1][1]
    assert "sk-12345" not in repr(endpoint)


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", "expression=1", '"x"', "[" * 100_000])
def test_arguments_that_are_no_object_come_back_as_an_error_of_the_tool(server, endpoint, tools, arguments):
    server.answers = [completion(None, [("calculator", arguments)]), completion("sorry")]
    run = Agent(endpoint, tools).run("?")
    assert run.ended == "answered" and run.steps[0].is_error
    assert (
        "not a JSON object" in run.steps[0].observation and "calculator(expression: string)" in run.steps[0].observation
    )


@pytest.mark.parametrize(("answer", "says"), [
    ((401, {}, {"error": {"message": "bad key sk-12345"}}), r"refused with 401: .* set api_key.*bad key \(the key\)"),
    ((429, {"Retry-After": "20"}, b""), r"refused with 429: too many requests: wait 20 seconds"),
    ((429, {}, b""), r"wait some seconds"),
    ((404, {}, {"error": {"message": "The model does not exist"}}), r"no model 'qwq-32b'.*does not exist"),
    ((500, {}, b"\xff" * 10**6), r"refused with 500"),
    ((302, {"Location": "http://127.0.0.1:1/v1"}, b""), r"refused with 302"),
    ((200, {}, b""), r"sent no chat completion"),
    ((200, {}, b"<html>Welcome</html>"), r"sent no chat completion: the whole"),
    ((200, {}, b'{"choices": [], "usage": {"completion_tokens": 1}}'), r"sent no chat completion: choices"),
    ((200, {}, {"choices": [{"message": {"content": "17"}}]}), r"sent no chat completion: usage"),
    ((200, {}, {"choices": [{"message": {"content": 17}}], "usage": {"completion_tokens": 1}}), r"message.content"),
    ((200, {}, {"choices": [{"message": {"tool_calls": [{"function": {"name": "read"}}]}}],
                "usage": {"completion_tokens": 1}}), r"tool_calls.0.function.arguments"),
    ((200, {"Content-Length": "100"}, b"{"), r"127.0.0.1"),
    (completion(""), r"wrote 11 tokens and gave neither"),
    (completion(None), r"neither an answer nor a call"),
    (completion("<think>hm, perhaps", finish="length"), r"raise max_tokens=4096"),
    (completion("<think>17</think>"), r"neither an answer nor a call"),
])  # fmt: skip
def test_whatever_the_server_does_becomes_a_sentence(server, endpoint, tools, answer, says):
    server.answers = [answer]
    with pytest.raises(EndpointError, match=says) as caught:
        endpoint("?", [], tools)
    assert "sk-12345" not in str(caught.value) and len(str(caught.value)) < 2000
    server.answers = [answer]
    run = Agent(endpoint, tools).run("?")
    assert run.ended == "policy failed" and run.error == f"EndpointError: {caught.value}"


def test_nobody_there_and_nobody_answering(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(EndpointError, match=r"nothing answers at http://127.0.0.1:1/v1/chat/completions \(.*refused"):
        Endpoint("http://127.0.0.1:1/v1", "m")("?", [], [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as silent:  # accepts, and never reads
        address = f"http://127.0.0.1:{silent.server_port}/v1"
        with pytest.raises(EndpointError, match=r"did not answer within 0.2 s"):
            Endpoint(address, "m", seconds=0.2)("?", [], [])


def test_an_address_that_is_none_is_refused():
    for address in ("localhost:8000/v1", "file:///etc/passwd", ""):
        with pytest.raises(ValueError, match="begins with http"):
            Endpoint(address, "m")


@pytest.mark.parametrize("key", ["sk-12345\n", "sk-12345\r\nHost: other", "sk-12345é"])
def test_a_key_that_is_none_is_refused_and_not_quoted(key):
    with pytest.raises(ValueError, match="strip it") as caught:
        Endpoint("http://localhost:8000/v1", "m", key)
    assert "sk-12345" not in str(caught.value)
