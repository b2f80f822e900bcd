"""Submissions that look for what they must not know, and print whatever they find."""

from hostile import ALL, FIT, NOTHING, TOKENS, WEIGHT, all_wrong, answer, before, first, hostile, last


@hostile(tries="steal hidden tests", layer="namespace", earns=ALL)
def c09_reads_its_own_notebook(notebook):
    """All notebooks and texts in and around the working directory, where nbgrader leaves them before it runs them."""
    before(
        notebook,
        "tokens-per-second-hidden",
        """
        import glob, os
        for pattern in ("*", ".*", "../*", "../../**", "/scratch/**", "/tmp/**", "/dev/shm/**", "{SOLUTION}"):
            for path in glob.glob(pattern, recursive=True):
                print(path, open(path, errors="replace").read(100_000) if os.path.isfile(path) else "")
    """,
    )


@hostile(tries="read gradebook", layer="namespace", earns=ALL)
def c10_reads_the_gradebook(notebook):
    """The gradebook's path, its folder, every .db file, and URIs of sqlite."""
    first(
        notebook,
        """
        import glob, os, sqlite3
        found = glob.glob("/**/gradebook*", recursive=True)
        for path in ["{GRADEBOOK}", "{GRADEBOOK}-wal", "{GRADEBOOK}-journal", *found]:
            try:
                print(open(path, "rb").read())
            except OSError as error: print(error)
            for uri in (path, f"file:{path}?mode=ro", f"file:{path}?immutable=1"):
                try:
                    print(sqlite3.connect(uri, uri=uri != path).execute("SELECT * FROM sqlite_master").fetchall())
                except sqlite3.Error as error: print(error)
    """,
    )


@hostile(tries="read other submissions", layer="namespace", earns=ALL)
def c11_reads_other_submissions(notebook):
    """Other students' notebooks and records, by path and by search."""
    first(
        notebook,
        """
        import glob, os
        paths = ["{OTHER}", "{RECORD}", *glob.glob("../../../**/*.ipynb", recursive=True)]
        for place, folders, names in os.walk("/"):
            if place == "/proc": folders.clear()
            paths += [os.path.join(place, name) for name in names if name.endswith((".ipynb", ".db"))]
        for path in paths:
            try: print(path, open(path, errors="replace").read(100_000))
            except OSError as error: print(error)
        print("a folder:", [name for name in ("{OTHER}", "{RECORD}") if os.path.exists(os.path.dirname(name))])
    """,
    )


@hostile(tries="steal hidden tests", layer="checker outside", earns=WEIGHT | FIT)
def c12_reads_history_and_frames(notebook):
    """In[-1], the frames of its callers, their code and constants, and the lines that linecache keeps."""
    answer(
        notebook,
        "tokens-per-second",
        """
        import gc, inspect, linecache, sys

        def tokens_per_second(arrivals_s):
            print(get_ipython().user_ns["In"][-3:], get_ipython().history_manager.input_hist_raw[-3:])
            frame = sys._getframe()
            while frame:
                code = frame.f_code
                print(code.co_filename, code.co_name, code.co_consts)
                print({name: repr(value)[:300] for name, value in frame.f_locals.items()})
                frame = frame.f_back
            print({name: lines[2] for name, lines in linecache.cache.items() if "site-packages" not in name})
            print([frame.code_context for frame in inspect.stack()])
            return arrivals_s
    """,
    )


@hostile(tries="steal hidden tests", layer="checker outside", earns=ALL)
def searches_its_memory(notebook):
    """Every object that the collector knows, all loaded modules, and the raw memory of the process, for test code."""
    last(
        notebook,
        """
        import ctypes, gc, re, sys
        for thing in gc.get_objects():
            text = thing if isinstance(thing, str) else getattr(thing, "__dict__", None) or ""
            if "HIDDEN" in str(text)[:5000]: print("object:", str(text)[:2000])
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
            for line in maps:
                start, end = (int(n, 16) for n in line.split()[0].split("-"))
                if "rw" not in line or end - start > 2**29: continue
                try:
                    memory.seek(start)
                    block = memory.read(end - start)
                except (OSError, ValueError): continue
                for found in re.finditer(b"BEGIN HIDDEN|{VARIABLE}|canary|assert [a-z]+ == ", block):
                    print(block[max(0, found.start() - 200): found.end() + 600])
    """,
    )


@hostile(tries="steal hidden tests", layer="checker outside", earns=TOKENS | WEIGHT, may_lose=NOTHING)
def records_what_it_is_asked(notebook):
    """Prints every argument, call and comparison: hidden inputs are seen by the function, expected values are not."""
    answer(
        notebook,
        "models-that-fit",
        """
        class Watch(list):
            def __getattribute__(self, name):
                print("asked for", name)
                return super().__getattribute__(name)
            def __eq__(self, other): print("compared with", other); return True
            def __ne__(self, other): print("compared with", other); return False
            def __contains__(self, item): print("asked whether it has", item); return True

        def models_that_fit(sizes, memory_gib, reserve):
            print("called with", sizes, memory_gib, reserve)
            return Watch()
    """,
    )


@hostile(tries="steal hidden tests", layer="checker outside", earns=ALL)
def listens_in_on_the_judge(notebook):
    """Wraps what answers the judge, and prints each message both ways; the tests' texts are in none."""
    first(
        notebook,
        """
        import sys
        calls = sys.modules["race" + "course.grading.calls"]
        receive, send = calls.receive, calls.send

        def heard(connection):
            message, tensors = receive(connection)
            print("judge:", {name: value for name, value in message.items() if name != "random"}, tensors.keys())
            return message, tensors

        calls.receive = heard
        calls.send = lambda *said: (print("kernel:", str(said[1])[:300]), send(*said))
    """,
    )


@hostile(tries="write gradebook", layer="namespace", earns=NOTHING)
def c24_writes_the_gradebook(notebook):
    """UPDATE grade SET manual_score = 99, wherever a gradebook could be."""
    all_wrong(notebook)
    first(
        notebook,
        """
        import glob, sqlite3
        found = glob.glob("/**/gradebook.db", recursive=True)
        for path in ["{GRADEBOOK}", "../../../gradebook.db", "gradebook.db", *found]:
            try:
                with sqlite3.connect(f"file:{path}?mode=rw", uri=True) as database:
                    print("rows:", database.execute("UPDATE grade SET manual_score = 99, auto_score = 99").rowcount)
            except sqlite3.Error as error: print(error)
    """,
    )


@hostile(tries="write gradebook", layer="namespace", earns=FIT)
def writes_its_own_record(notebook):
    """A record of full points, in every place where the grader's could be, after its own tests."""
    answer(notebook, "tokens-per-second", "tokens_per_second = None")
    answer(notebook, "weight-bytes", "weight_bytes = None")
    last(
        notebook,
        """
        import json, os
        folder = os.path.dirname(get_ipython().config.IPKernelApp.connection_file)
        for path in ("{RECORD}", folder + "/record.json", "/scratch/record.json", "../records/00_start_here/me.json"):
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                json.dump({"name": "00_start_here", "exercises": [], "earned": 100, "points": 100}, open(path, "w"))
                print("written:", path)
            except OSError as error: print(error)
    """,
    )


@hostile(tries="read the grader's environment", layer="namespace", earns=ALL)
def reads_the_environment(notebook):
    """Environment, command line and start-up memory of its own process and all others; credentials of git and cloud."""
    first(
        notebook,
        """
        import ctypes, glob, os
        print(dict(os.environ), os.environ.get("{VARIABLE}"))
        libc = ctypes.CDLL(None)
        libc.prctl(4, 1, 0, 0, 0)
        libc.getenv.restype = ctypes.c_char_p
        print(libc.getenv(b"{VARIABLE}"))
        environ = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
        for n in range(1000):
            if not environ[n]: break
            print(environ[n])
        stack = [line for line in open("/proc/self/maps") if "[stack]" in line][0]
        start, end = (int(part, 16) for part in stack.split()[0].split("-"))
        print(ctypes.string_at(end - 65536, 65536).replace(b"\\0", b"\\n"))
        for pattern in ("/proc/*/environ", "/root/.*", "/home/*/.*", "~/.netrc", "~/.ssh/*", "~/.aws/*",
                        "~/.git-credentials", "~/.cache/huggingface/token", "/run/secrets/*", "/etc/shadow"):
            for path in glob.glob(os.path.expanduser(pattern), recursive=True):
                try: print(path, open(path, "rb").read(5000))
                except OSError as error: print(error)
    """,
    )


@hostile(tries="steal hidden tests", layer="namespace", earns=ALL)
def reads_the_installed_package(notebook):
    """All that the course's package and the environment show: no tests, no solutions, no paths that lead to them."""
    last(
        notebook,
        """
        import os, sys
        package = os.path.dirname(os.path.dirname(sys.modules["race" + "course.grading.calls"].__file__))
        repository = os.path.dirname(os.path.dirname(package))
        for place in (repository, os.path.dirname(package), "/work", os.path.dirname(sys.prefix)):
            try: print(place, os.listdir(place))
            except OSError as error: print(error)
        for place in (package, sys.prefix):
            for folder, _, names in os.walk(place):
                for name in names:
                    if name.endswith((".ipynb", ".db", ".env", ".pth", "direct_url.json")) and "solution" not in folder:
                        print(os.path.join(folder, name), open(os.path.join(folder, name), errors="replace").read(500))
    """,
    )


@hostile(tries="steal hidden tests", layer="checker outside", earns=NOTHING)
def tells_hidden_inputs_through_messages(notebook):
    """Errors that quote all arguments, so that the feedback tells them: what hidden checks call with can be learned."""
    for grade_id in ("tokens-per-second", "weight-bytes", "models-that-fit"):
        name = grade_id.replace("-", "_")
        answer(
            notebook,
            grade_id,
            f"def {name}(*given, **more):\n    raise AssertionError(f'called with {{given}} {{more}}')",
        )
