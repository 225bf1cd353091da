"""Upgrade a live etcd cluster, member by member, while clients write and none of them notices.

python lab.py up
holdfast plan upgrade.py --target etcd/staging
holdfast run upgrade.py --target etcd/staging
python lab.py down
"""

import json
import time
from urllib.request import urlopen

from holdfast import (
    Gate,
    flight,
    here,
    measure,
    no_return,
    postflight,
    preflight,
    require,
    rollout,
    sh,
    step,
    wait_for,
    workflow,
)
from holdfast.ops import kubectl, prometheus

P99 = "histogram_quantile(0.99, sum by (le) (rate({latency}_bucket{grpc_method='Put'}[{window}])))"
ERRORS = (
    "(sum(rate(grpc_server_handled_total{grpc_code!='OK'}[{window}]))"
    " or 0 * sum(rate(grpc_server_handled_total[{window}])))"
    " / sum(rate(grpc_server_handled_total[{window}]))"
)
LEADER = "min(etcd_server_has_leader)"


def asking(query, **names):
    """Return the probe that asks a query; its server is PROMETHEUS_URL of the target."""
    for name, value in names.items():
        query = query.replace(f"{{{name}}}", value)
    return prometheus.query(query)


def ask(url, path, body=None):
    with urlopen(url + path, body, timeout=5) as answer:
        return json.load(answer)


def status(url):
    return ask(url, "/v3/maintenance/status", b"{}")


def leads(url):
    found = status(url)
    return found["leader"] == found["header"]["member_id"]


def is_healthy(url):
    return ask(url, "/health")["health"] == "true"


def runs(url, version):
    return ask(url, "/version")["etcdserver"].startswith(version)


def all_healthy(urls):
    return all(map(is_healthy, urls))


def all_agree(urls, version):
    """Whether each member says that the whole cluster is of a version."""
    return all(ask(url, "/version")["etcdcluster"].startswith(version) for url in urls)


PLACE = (
    "{.spec.nodeName} {.spec.containers[0].ports[0].hostIP} {.spec.containers[0].ports[0].hostPort}"
)


@step("find the members", reads=True)
def find(members):
    """Return where each member is, and what it is. The leader comes last: so it moves once."""
    found = {}
    for member in members:
        said = sh("kubectl", "get", "pod", member, "-o", f"jsonpath={PLACE}").out
        node, host, port = said.split()
        url = f"http://{host}:{port}"
        at = status(url)
        identity = f"{int(at['header']['member_id']):x}"
        found[member] = {"node": node, "url": url, "id": identity, "version": at["version"]}
    return dict(sorted(found.items(), key=lambda pair: leads(pair[1]["url"])))


@step("back up {member}")
def back_up(member):
    """Save a snapshot and read it back: a backup that nobody has read is none."""
    kubectl.exec(member, "etcdctl", "snapshot", "save", "before-upgrade.db")
    said = kubectl.exec(member, "etcdctl", "snapshot", "status", "before-upgrade.db", "-w", "json")
    return json.loads(said.out)


@step("see {member} back on {version}", timeout="2m")
def see_back(member, url, version):
    """On the way back: the next member follows only when this one serves again."""
    while not serves(url, version):
        time.sleep(0.5)


def serves(url, version):
    try:
        return runs(url, version) and is_healthy(url)
    except OSError:
        return False  # it has not started yet


@step("spare {member}", undo=see_back)
def spare(member, url, version, others):
    """See that the cluster can do without a member: all others are well."""
    if not all_healthy(others):
        raise RuntimeError(f"without {member} there is no quorum: another member is not healthy")


def follows(url):
    return not leads(url)


@step("move the leader off {member}", check=follows)
def move_leader(member, url, to):
    kubectl.exec(member, "etcdctl", "move-leader", to)


@step("write the note")
def note(text):
    print(text)
    return text


@workflow(target="required")
def upgrade(
    members: tuple[str, ...] = ("etcd-0", "etcd-1", "etcd-2"),
    image: str = "etcd:3.5",
    version: str = "3.5",
    window: str = "10s",
    samples: int = 3,
    soak: str = "10s",
    patience: str = "5m",
    slower_s: float = 0.25,
    latency: str = "grpc_server_handling_seconds",
):
    """Upgrade every member, the leader last.

    `window` is what a rate covers, `patience` how long a gate waits for data, `slower_s` how much
    slower than before the slowest hundredth of the writes may be.
    """
    terms = {"samples": samples, "every": "2s", "timeout": patience}
    p99 = asking(P99, window=window, latency=latency)
    errors = Gate("errors", asking(ERRORS, window=window), below=0.01, **terms)
    led = Gate("a leader", asking(LEADER), above=0.5, **terms)

    with preflight():
        places = find(members)
        urls = [place["url"] for place in places.values()]
        require("every member is healthy", all_healthy, urls, fresh="5m")
        back_up(members[0])
        base = measure("p99 before", p99, span=f"{2 * samples}s", every="2s")
        errors()

    slow = Gate("p99", p99, below=base.max + slower_s, **terms)

    def one(member):
        place = places[member]
        others = [other for name, other in places.items() if name != member]
        spare(member, place["url"], place["version"], [other["url"] for other in others])
        kubectl.cordon(place["node"])
        move_leader(member, place["url"], to=others[0]["id"])
        if member == list(places)[-1]:
            no_return(
                "the last member makes the cluster version 3.5, and etcd 3.4 does not start then: "
                "invalid downgrade; server version is lower than determined cluster version"
            )
        kubectl.set_image(f"pod/{member}", image)
        kubectl.wait_ready(f"pod/{member}", timeout="2m")
        wait_for(f"{member} runs {version}", runs, place["url"], version, every="1s", timeout="1m")
        slow()
        errors()
        kubectl.uncordon(place["node"])

    with flight():
        rollout(places, one, soak=soak, gates=[slow, errors, led])

    with postflight():
        wait_for(f"the cluster is {version}", all_agree, urls, version, every="1s", timeout="1m")
        slow()
        errors()
        note(f"{here().target}: {len(places)} members run etcd {version}")
    return {"members": len(places), "version": version, "p99 before": base.p99}
