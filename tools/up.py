#!/usr/bin/env python3
"""A one-machine cluster in the foreground, until Ctrl-C. It starts empty and leaves nothing behind."""

import argparse
import signal
import socket
import sys
import time

from cluster import Cluster, Failure, build, end_on_signals, free_ports, target

DEFAULT_PORTS = (6443, 8080)


def ports():
    """The programs' own default ports where they are free, so that the documentation's addresses hold."""
    for port in DEFAULT_PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return free_ports(2)
    return DEFAULT_PORTS


def write_settings(cluster):
    """What other terminals source, under a name that does not change."""
    file = target() / "up.env"
    file.write_text(
        f'export PATH="{cluster.programs}:$PATH"\n'
        f'export KUBECONFIG="{cluster.kubeconfig}"\n'
        f'export GATEWAY="{cluster.gateway}"\n'
        f'export TROUPE_HOME="{cluster.home}"\n'
    )
    return file


def announce(cluster, file):
    print(
        f"""
The cluster is up: master, and node-agent with runtime {cluster.runtime}, in {cluster.home}

In another terminal:
    . {file}

which says
    {file.read_text().strip().replace(chr(10), chr(10) + "    ")}

Try
    kubectl apply examples/seed1/function.yaml
    kubectl execute default/func2 '{{"x": 1, "y": 2}}'
    curl $GATEWAY/function/func2 -d '{{"x": 1, "y": 2}}'
    kubectl apply examples/seed1/workflow.yaml
    kubectl get workflow default/workflow-example

One more node
    node-agent --master https://127.0.0.1:{cluster.api} --name node-2 --runtime {cluster.runtime} --data-dir $TROUPE_HOME/agent-2 \\
        --token "$(master token create --data-dir $TROUPE_HOME/master)"

Ctrl-C stops everything and removes {cluster.home}""",
        flush=True,
    )


def watch(cluster):
    while True:
        for name, process in cluster.processes.items():
            if process.poll() is not None:
                raise Failure(f"{name} ended with {process.returncode}")
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=("process", "docker"), default="process")
    parser.add_argument("--profile", choices=("release", "debug"), default="release")
    flags = parser.parse_args()
    end_on_signals()
    cluster = settings = None
    try:
        cluster = Cluster(build(flags.profile), flags.runtime, ports())
        cluster.start()
        settings = write_settings(cluster)
        announce(cluster, settings)
        watch(cluster)
    except KeyboardInterrupt:
        print("\nstopping; a second Ctrl-C does not hurry it", flush=True)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return 0
    except (Failure, OSError) as failure:
        print(f"up: {failure}", file=sys.stderr)
        if cluster:
            cluster.stop()
            cluster.show_logs()
        return 1
    finally:
        if cluster:
            cluster.stop()
            cluster.remove()
        if settings:
            settings.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
