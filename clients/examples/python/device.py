"""A device that restarts its services: device.py URL STATE_DIRECTORY PROGRAM
PROGRAM SERVICE restarts a service. The first start needs ACTIVATION_CODE in the environment."""
import http.client, itertools, json, os, random, re, select, subprocess, sys, time, urllib.request, uuid

url, program = sys.argv[1].rstrip("/") + "/api/v1/device/", os.path.abspath(sys.argv[3])
lease_ms, login, limit = int(os.environ.get("LEASE_MS", "60000")), {"token": ""}, 65536
os.chdir(directory := os.open(sys.argv[2], os.O_RDONLY))

def load(name):
    return json.load(open(name)) if os.path.exists(name) else None

def save(name, value):
    """Writes a file. After a power cut, the file has either its old content or the new one."""
    with open(os.open(name + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name + ".new", name)
    os.fsync(directory)

def unique(pairs):
    """Replaces an object that has a name twice with one that no command accepts."""
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {"duplicate name": None}

class AllResponses(urllib.request.HTTPErrorProcessor):
    """Returns every response. A redirect is not followed: another host must not get the token."""
    http_response = https_response = lambda self, request, response: response

def send(path, body, key="", timeout=60):
    """Sends a request once. Returns the status, the seconds of Retry-After, and the response."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + login["token"]}
    headers |= {"Idempotency-Key": key} if key else {}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.build_opener(AllResponses).open(request, timeout=timeout) as response:
            wait = response.headers.get("Retry-After", "")
            content = json.loads(response.read(1 << 22), object_pairs_hook=unique)
            return response.status, min(int(wait), 3600) if wait.isdigit() else 0, dict(content)
    except (OSError, TypeError, ValueError, http.client.HTTPException):
        return 0, 0, {}  # no response, or one of a proxy

def call(path, body, key="", between=lambda: None):
    """Sends a request until it is accepted, or until the gateway refuses a result for good."""
    for attempt in itertools.count():
        status, wait, response = send(path, body, key)
        final = 400 <= status < 500 and "code" in response and status not in (401, 408, 415, 429)
        if status in (200, 201) and response or final and path.endswith("/result"):
            return response
        print(path, "was refused:", status, response.get("code", ""), file=sys.stderr)
        if status == 401 and path not in ("auth", "register"):
            login.update(call("auth", load("identity")))
        between()
        time.sleep(wait + random.uniform(0, min(60, 0.5 * 2 ** min(attempt, 7))))

def extend(job, extension_ms):
    """Extends the lease. Returns whether a user has requested the cancellation."""
    body = {"claimToken": job["result"]["claimToken"], "extensionMs": extension_ms}
    return send("commands/" + job["id"] + "/extend", body, timeout=lease_ms / 6000)[2].get("cancelRequested")

def outcome(status, output="", **data):
    return {"status": status, "output": output, "data": data}

def execute(command, job):
    names, service = list(command["parameters"]), command["parameters"].get("service")
    if command["type"] != "remediation.restart_service":
        return outcome("failed", code="unsupported")
    if names != ["service"] or type(service) is not str or not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.@-]*", service):
        return outcome("failed", code="invalid_parameters")
    running = subprocess.Popen([program, service], bufsize=0,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, cancelled, extended = b"", False, time.monotonic()
    while True:
        if select.select([running.stdout], [], [], lease_ms / 6000)[0]:
            part = running.stdout.read(limit)
            if not part: break
            output += part[:limit - len(output)]
        if time.monotonic() - extended > lease_ms / 3000:
            extended = time.monotonic()  # an extension that gets no response is repeated within the lease
            if extend(job, lease_ms):
                cancelled = True
                running.terminate()
    status = "cancelled" if cancelled else "failed" if running.wait() else "succeeded"
    return outcome(status, output.decode(errors="replace"), exitCode=running.wait())

if load("identity") is None:
    body = {"activationCode": os.environ["ACTIVATION_CODE"]}
    if (load("registration") or {}).get("body") != body:
        save("registration", {"body": body, "key": str(uuid.uuid4())})
    registered = call("register", body, load("registration")["key"])
    save("identity", {name: registered[name] for name in ("deviceId", "deviceSecret")})
while True:
    if job := load("job"):
        call("commands/" + job["id"] + "/result", job["result"], between=lambda: extend(job, max(lease_ms, 600000)))
        os.remove("job")
    for command in call("commands/claim", {"waitMs": 20000, "visibilityTimeoutMs": lease_ms}, str(uuid.uuid4()))["commands"]:
        job = {"id": command["id"], "result": outcome("failed", code="interrupted") | {"claimToken": command["claimToken"]}}
        save("job", job)  # before the start: after a restart, this is submitted and nothing runs again
        job["result"] |= execute(command, job)
        save("job", job)
