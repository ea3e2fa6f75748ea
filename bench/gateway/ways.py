"""Ways to one pod: the cluster's gateway, nginx in one hop or in two, and a server of the same code without either."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from cluster import Cluster, Failure, free_ports, started  # noqa: E402
from packages import need  # noqa: E402

BODY = b'{"x": 1, "y": 2}'
WANTED = {"x": 3, "y": -1}
CONCURRENCY = 8
FUNCTION = HERE / "function.yaml"

NGINX = """\
daemon off;
worker_processes {workers};
pid {home}/nginx.pid;
error_log {home}/nginx.log;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {home}/nginx-body;
  proxy_temp_path {home}/nginx-proxy;
  fastcgi_temp_path {home}/nginx-fastcgi;
  uwsgi_temp_path {home}/nginx-uwsgi;
  scgi_temp_path {home}/nginx-scgi;
  upstream next {{ server {next}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port}{listens};
    {server}
    location / {{
      proxy_pass {scheme}://next;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      {location}
    }}
  }}
}}
"""
# Both sides show certificates of one authority, as gateway and agent do.
TLS_SERVER = "ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_client_certificate {certificate}; ssl_verify_client on; ssl_protocols TLSv1.3;"
TLS_CLIENT = (
    "proxy_ssl_certificate {certificate}; proxy_ssl_certificate_key {key}; proxy_ssl_trusted_certificate {certificate}; "
    "proxy_ssl_verify on; proxy_ssl_name node; proxy_ssl_session_reuse on; proxy_ssl_protocols TLSv1.3;"
)


def ask(url):
    request = urllib.request.Request(url, BODY, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=60))


@contextmanager
def cluster(programs, near):
    """A cluster with the function applied, its gateway's URL of it, and the socket of its only pod."""
    with started(Cluster(programs, near=near)) as one:
        one.run(["kubectl", "apply", FUNCTION])
        url = f"{one.gateway}/function/bench"
        if ask(url) != WANTED:
            raise Failure("the function gives a wrong answer")
        yield one, url, the_pod(one)


def the_pod(cluster):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        # Beside it generic pods wait for functions.
        sockets = [socket for socket in cluster.home.glob("agent/pods/*/run/http.sock") if "generic-" not in str(socket)]
        if len(sockets) == 1:
            return sockets[0]
        time.sleep(0.1)
    raise Failure(f"one pod was expected, found {sockets}")


@contextmanager
def running(command, url, **options):
    """A server's process, from its first right answer to its end."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    try:
        until = time.monotonic() + 20
        while url:
            try:
                if ask(url) == WANTED:
                    break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > until:
                    raise Failure(f"{command[0]} does not answer: {error}") from error
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def hop(home, port, url=None, **more):
    """One nginx on `port`, with as many workers as the machine has cores and kept connections onwards."""
    home.mkdir(mode=0o711)
    config = home / "nginx.conf"
    # Only root, or the pod's own user, may connect to a pod's socket.
    user = "user root;" if os.geteuid() == 0 else ""
    fields = {"scheme": "http", "listens": "", "server": "", "location": "", **more}
    config.write_text(NGINX.format(home=home, workers=os.cpu_count(), port=port, user=user, **fields))
    program = need("nginx", "nginx", "the proxy to compare the gateway with")
    return running([program, "-c", config, "-p", home], url)


@contextmanager
def nginx(home, socket):
    """nginx in front of the pod."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    with hop(home / "nginx", port, url, next=f"unix:{socket}"):
        yield url


@contextmanager
def nginx_across(home, socket):
    """nginx in front of another nginx, by mutual TLS, in front of the pod."""
    here, there = free_ports(2)
    named = {"certificate": home / "bench.pem", "key": home / "bench.key"}
    openssl = need("openssl", "openssl", "the certificates of the two proxies")
    make = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=node"]
    subprocess.run([*make, "-addext", "subjectAltName=DNS:node", "-keyout", named["key"], "-out", named["certificate"]], check=True, capture_output=True)
    url = f"http://127.0.0.1:{here}/"
    with ExitStack() as both:
        both.enter_context(hop(home / "nginx-there", there, next=f"unix:{socket}", listens=" ssl", server=TLS_SERVER.format(**named)))
        both.enter_context(hop(home / "nginx-here", here, url, next=f"127.0.0.1:{there}", scheme="https", location=TLS_CLIENT.format(**named)))
        yield url


@contextmanager
def straight(home):
    """The pod's server with the same code on a port of its own: the load speaks no Unix sockets."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "troupe_pod", "--listen", f"127.0.0.1:{port}", "--function", HERE / "code", "--concurrency", str(CONCURRENCY)]
    url = f"http://127.0.0.1:{port}/"
    with open(home / "straight.log", "ab") as log, running(command, url, cwd=ROOT / "func-base", stdout=log, stderr=log):
        yield url
