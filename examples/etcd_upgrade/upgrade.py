"""Upgrade a live etcd cluster, member by member, while clients write and none of them notices.

python lab.py up
holdfast plan upgrade.py --target etcd/staging
holdfast run upgrade.py --target etcd/staging
python lab.py down
"""

import json
import time
from urllib.parse import urlencode
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
)  # fmt: skip

P99 = (
    'histogram_quantile(0.99, sum by (le) (rate({latency}_bucket{{grpc_method="Put"}}[{window}])))'
)
ERRORS = (
    '(sum(rate(grpc_server_handled_total{{grpc_code!="OK"}}[{window}])) or vector(0))'
    " / sum(rate(grpc_server_handled_total[{window}]))"
)
LEADER = "min(etcd_server_has_leader)"


class Metric:
    """A probe: what Prometheus answers to a query."""

    def __init__(self, url, query, window, **names):
        self.url, self.window, self.query = url, window, query.format(window=window, **names)
        self.link = f"{url}/graph?{urlencode({'g0.expr': self.query})}"

    def __call__(self):
        with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': self.query})}") as answer:
            found = json.load(answer)["data"]["result"]
        return {json.dumps(each["metric"]): float(each["value"][1]) for each in found}


def kubectl(*words):
    return sh("kubectl", *words).out


def etcdctl(member, *words):
    return kubectl("exec", member, "--", "etcdctl", *words)


def ask(url, path):
    with urlopen(url + path, timeout=5) as answer:
        return json.load(answer)


def status(member):
    return json.loads(etcdctl(member, "endpoint", "status", "-w", "json"))[0]["Status"]


def is_leader(member):
    found = status(member)
    return found["leader"] == found["header"]["member_id"]


WHERE = "{.spec.nodeName} {.spec.containers[0].image} "
PORT = "{.spec.containers[0].ports[0]['hostIP','hostPort']}"


@step("where the members are", reads=True)
def look(members):
    """Return each member's node, address and image. The leader comes last: it moves once."""
    found = {}
    for member in sorted(members, key=is_leader):
        said = kubectl("get", "pod", member, "-o", f"jsonpath={WHERE}{PORT}")
        node, image, host, port = said.split()
        found[member] = {"node": node, "image": image, "url": f"http://{host}:{port}"}
    return found


def all_healthy(urls):
    return all(ask(url, "/health")["health"] == "true" for url in urls)


@step("back up {member}")
def back_up(member):
    """Save a snapshot and read it back: a backup that was not read is none."""
    etcdctl(member, "snapshot", "save", "before-upgrade.db")
    return json.loads(etcdctl(member, "snapshot", "status", "before-upgrade.db", "-w", "json"))


def image_of(member):
    return kubectl("get", "pod", member, "-o", "jsonpath={.spec.containers[0].image}")


def is_cordoned(node):
    return kubectl("get", "node", node, "-o", "jsonpath={.spec.unschedulable}") == "true"


@step("uncordon {node}")
def uncordon(node):
    kubectl("uncordon", node)


@step("cordon {node}", check=is_cordoned, owes=uncordon)
def cordon(node):
    kubectl("cordon", node)


def is_follower(member):
    return not is_leader(member)


@step("move the leader off {member}", check=is_follower)
def move_leader(member, to):
    etcdctl(member, "move-leader", f"{status(to)['header']['member_id']:x}")


def patch_image(member, was, image):
    """Change the image, unless somebody else did since."""
    path = "/spec/containers/0/image"
    change = [
        {"op": "test", "path": path, "value": was},
        {"op": "replace", "path": path, "value": image},
    ]
    kubectl("patch", "pod", member, "--type=json", "-p", json.dumps(change))


@step("put {member} back to {was}")
def put_back(member, was, image):
    """Wait too: the next member goes back only when this one is there."""
    if image_of(member) == image:
        patch_image(member, image, was)
    is_ready(member)


def has_image(member, image):
    return image_of(member) == image


@step("set the image of {member}", check=has_image, undo=put_back)
def set_image(member, was, image):
    patch_image(member, was, image)


HOPELESS = ("ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff")
READY = "{.status.conditions[?(@.type=='Ready')].status} "
WAITS = "{.status.containerStatuses[0].state.waiting['reason','message']}"


@step("{member} is ready", timeout="1m")
def is_ready(member):
    wanted = f"jsonpath={READY}{WAITS}"
    while not (said := kubectl("get", "pod", member, "-o", wanted)).startswith("True"):
        if any(reason in said for reason in HOPELESS):
            raise RuntimeError(said.partition(" ")[2])
        time.sleep(0.5)


def runs(url, version):
    return ask(url, "/version")["etcdserver"].startswith(version + ".")


def cluster_is(url, version):
    return ask(url, "/version")["etcdcluster"].startswith(version + ".")


@step("write the note")
def note(text):
    print(text)
    return text


@workflow(target="required")
def upgrade(
    prometheus: str,
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
    terms = {"samples": samples, "every": "1s", "timeout": patience}
    p99 = Metric(prometheus, P99, window, latency=latency)
    errors = Gate("errors", Metric(prometheus, ERRORS, window), below=0.01, **terms)
    led = Gate("a leader", Metric(prometheus, LEADER, "1s"), above=0.5, **terms)

    with preflight():
        places = look(members)
        urls = [place["url"] for place in places.values()]
        require("every member is healthy", all_healthy, urls, fresh="5m")
        back_up(members[0])
        base = measure("p99 before", p99, span=f"{samples}s", every="1s")
        errors()

    slow = Gate("p99", p99, below=base.max + slower_s, **terms)

    def one(member):
        place, others = places[member], [name for name in places if name != member]
        others_urls = [places[name]["url"] for name in others]
        require("the others are healthy", all_healthy, others_urls, fresh="10s")
        cordon(place["node"])
        move_leader(member, others[0])
        if member == list(places)[-1]:
            no_return(
                "the last member makes the cluster version 3.5, and etcd 3.4 does not start then: "
                "invalid downgrade; server version is lower than determined cluster version"
            )
        set_image(member, place["image"], image)
        is_ready(member)
        wait_for(f"{member} runs {version}", runs, place["url"], version, every="1s", timeout="1m")
        slow()
        errors()
        uncordon(place["node"])

    with flight():
        rollout(places, one, soak=soak, gates=[slow, errors, led])

    with postflight():
        for url in urls:
            wait_for(f"{url} says {version}", cluster_is, url, version, every="1s", timeout="1m")
        slow()
        errors()
        note(f"{here().target}: {len(places)} members run etcd {version}")
    return {"members": len(places), "version": version, "p99 before": base.p99}
