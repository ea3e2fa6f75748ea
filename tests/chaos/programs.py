"""The programs of a fleet: which flags and settings each one has."""

import secrets
import shutil
import subprocess

import engine
from cluster import Failure

from functions import HOLD_SECONDS
from member import Member
from names import DOCKERD, ETCDS, IN_CONTAINERS

API_PORT = 6443
GATEWAY_PORT = 8080
ETCD_PORT = 2379
PEER_PORT = 2380
UIDS_PER_AGENT = 5000


def openssl(home, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"openssl {arguments[0]}: {done.stderr.strip()}")


def write_certificates(home, addresses):
    """An authority, `ca.pem`, and a certificate of it for etcd members at these addresses."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(home, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=etcd authority")
    openssl(home, "req", *key, "-keyout", "etcd.key", "-out", "etcd.csr", "-subj", "/CN=etcd")
    names = ",".join(f"IP:{address}" for address in [*addresses, "127.0.0.1"])
    (home / "etcd.ext").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
    openssl(home, "x509", "-req", "-in", "etcd.csr", *signed, "-extfile", "etcd.ext", "-out", "etcd.pem")


def write_secret(home):
    file = home / "cluster-secret"
    file.touch(0o600)
    file.write_text(secrets.token_hex(32))


def etcd(fleet, name, names):
    host, home = fleet.hosts[name], fleet.home
    client, peer = f"https://{host.address}:{ETCD_PORT}", f"http://{host.address}:{PEER_PORT}"
    members = ",".join(f"{one}=http://{fleet.hosts[one].address}:{PEER_PORT}" for one in names)
    command = ["etcd", "--name", name, "--data-dir", home / name, "--logger", "zap", "--log-level", "warn"]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", members, "--cert-file", home / "etcd.pem", "--key-file", home / "etcd.key"]
    return Member(name, host, command, home)


def etcd_endpoints(fleet):
    return ",".join(f"https://{fleet.hosts[name].address}:{ETCD_PORT}" for name in ETCDS)


def master(fleet, name):
    host, home = fleet.hosts[name], fleet.home
    members = ",".join(f"{one.address}:{ETCD_PORT}" for one in fleet.hosts.values() if one.name.startswith("etcd"))
    settings = {
        "STORE": f"etcd://{members}",
        "ETCD__CA_FILE": str(home / "ca.pem"),
        "BLOBS": str(home / "blobs"),
        "CLUSTER_SECRET_FILE": str(home / "cluster-secret"),
        "REGISTRY": "none",
        "GATEWAY__HOLD": f"{HOLD_SECONDS}s",
        "INVOCATIONS__MAX_BACKOFF": "5s",
    }
    command = [fleet.programs / "master", "--data-dir", home / name]
    command += ["--api-listen", f"{host.address}:{API_PORT}", "--gateway-listen", f"{host.address}:{GATEWAY_PORT}"]
    return Member(name, host, command, home, **{f"TROUPE_MASTER__{key}": value for key, value in settings.items()})


def engine_home(fleet):
    return fleet.hosts[IN_CONTAINERS].disk / "engine"


def engine_socket(fleet):
    return engine_home(fleet) / "docker.sock"


def dockerd(fleet):
    home = engine_home(fleet)
    home.mkdir(mode=0o711)
    return Member(DOCKERD, fleet.hosts[IN_CONTAINERS], engine.command(home), fleet.home)


def forget_engine(fleet):
    """What an engine keeps in memory is gone with the power: there it is on a disk like all else."""
    shutil.rmtree(engine_home(fleet) / "exec", ignore_errors=True)


def agent(fleet, name, number, token, runtime):
    host, home = fleet.hosts[name], fleet.home
    masters = [f"https://{one.address}:{API_PORT}" for one in fleet.hosts.values() if one.name.startswith("master")]
    settings = {
        **runtime,
        "TOKEN": token,
        "PODS__ORPHAN_AFTER": "15s",
        "PODS__UID_FIRST": str(200000 + number * UIDS_PER_AGENT),
        "PODS__UID_COUNT": str(UIDS_PER_AGENT),
        "POOL__SIZE": "1",
        "POOL__MAX": "2",
    }
    command = [fleet.programs / "node-agent", "--data-dir", host.disk / "agent", "--name", name]
    command += ["--master", ",".join(masters)]
    return Member(name, host, command, home, **{f"TROUPE_AGENT__{key}": value for key, value in settings.items()})
