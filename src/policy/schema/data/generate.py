#!/usr/bin/env python3
"""Makes the schema data beside it from what the Go module proxy serves: `python3 generate.py [kubernetes|crds|oracle DIR]`.

Downloads are kept in .tools/schemas (git-ignored). Needs PyYAML for `crds`. See README.md for the format and the sources.
"""

import base64
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "..", "..", "..", "..", ".tools", "schemas")
PROXY = "https://proxy.golang.org"

# The newest patch of every minor; each carries `api/openapi-spec/swagger.json`. Apache-2.0.
KUBERNETES = {
    30: "v1.30.14", 31: "v1.31.14", 32: "v1.32.13", 33: "v1.33.13",
    34: "v1.34.4", 35: "v1.35.4", 36: "v1.36.3", 37: "v1.37.2",
}
# When each API was introduced, deprecated and removed. Apache-2.0.
API = ("k8s.io/api", "v0.37.2", "Apache-2.0")


def module(name, version):
    """The zip of a Go module, from the cache or the proxy."""
    os.makedirs(CACHE, exist_ok=True)
    path = os.path.join(CACHE, name.replace("/", "_") + "@" + version + ".zip")
    escaped = re.sub("[A-Z]", lambda m: "!" + m.group().lower(), name)
    for attempt in range(5):
        if os.path.exists(path):
            break
        try:
            with urllib.request.urlopen(f"{PROXY}/{escaped}/@v/{version}.zip", timeout=300) as answer:
                body = answer.read()
            zipfile.ZipFile(io.BytesIO(body))
            with open(path, "wb") as file:
                file.write(body)
        except Exception as error:  # the proxy at times cuts large answers short
            print(f"{name}@{version}: {error}, again", file=sys.stderr)
            time.sleep(3)
    return zipfile.ZipFile(path)


def swagger(minor):
    version = KUBERNETES[minor]
    text = module("k8s.io/kubernetes", version).read(f"k8s.io/kubernetes@{version}/api/openapi-spec/swagger.json")
    return json.loads(text)["definitions"]


class Pool:
    """Schema nodes. A node is (head, [(edge, node id)], tail); equal ones become one line."""

    def __init__(self):
        self.nodes = []

    def new(self):
        self.nodes.append(None)
        return len(self.nodes) - 1

    def add(self, head, edges=(), tail=""):
        self.nodes.append((head, list(edges), tail))
        return len(self.nodes) - 1

    def minimise(self):
        """The class of every node: the coarsest partition in which equal classes have equal shapes (as for automata)."""
        classes, count = self.number((node[0], tuple(e for e, _ in node[1]), node[2]) for node in self.nodes)
        while True:
            shapes = ((classes[at], tuple(classes[to] for _, to in node[1])) for at, node in enumerate(self.nodes))
            finer, more = self.number(shapes)
            if more == count:
                return classes
            classes, count = finer, more

    @staticmethod
    def number(shapes):
        known, classes = {}, []
        for shape in shapes:
            classes.append(known.setdefault(shape, len(known)))
        return classes, len(known)


DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number):
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
        if number == 0:
            return text


def write(name, header, pool, apis, lifecycle):
    """apis: {(apiVersion, kind): [(from minor, node id or None)]}."""
    classes = pool.minimise()
    order, lines, ids = [], [], {}

    def visit(node):
        stack = [node]
        while stack:
            at = stack.pop()
            if classes[at] in ids:
                continue
            ids[classes[at]] = len(order)
            order.append(at)
            stack.extend(to for _, to in reversed(pool.nodes[at][1]))

    for roots in apis.values():
        for _, root in roots:
            if root is not None:
                visit(root)
    for at in order:
        head, edges, tail = pool.nodes[at]
        words = [head] + [edge + base36(ids[classes[to]]) for edge, to in edges]
        lines.append("\t".join(words) + ("\t|" + tail if tail else ""))
    out = [f"# {line}" for line in header]
    for (version, kind), roots in sorted(apis.items()):
        words, last = [], object()
        for minor, root in roots:
            text = "-" if root is None else base36(ids[classes[root]])
            if text != last:
                words.append(f"{minor}:{text}")
            last = text
        out.append(f"A {version} {kind} " + " ".join(words))
    out.extend(lifecycle)
    out.append("N")
    out.extend(lines)
    text = "\n".join(out) + "\n"
    path = os.path.join(HERE, name + ".txt.gz")
    with open(path, "wb") as file:
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=0) as zipped:
            zipped.write(text.encode())
    print(f"{name}: {len(lines)} nodes, {len(apis)} APIs, {len(text)} bytes, {os.path.getsize(path)} compressed")


# Built-in kinds ------------------------------------------------------------------------------------------------------

LETTERS = {"string": "s", "integer": "i", "number": "n", "boolean": "b", "array": "a", "object": "o"}
NOT_APPLIED = {"DeleteOptions", "WatchEvent", "Status", "APIGroup", "APIVersions"}


def builtin(pool, definitions, known, schema):
    """The node of a swagger schema, strict as kubeconform's `-standalone-strict`; the checker knows where null is allowed."""
    if "$ref" in schema:
        name = schema["$ref"].split("/")[-1]
        if name not in known:
            known[name] = pool.new()
            at = builtin(pool, definitions, known, definitions[name])
            pool.nodes[known[name]] = pool.nodes[at]
            if name.endswith("resource.Quantity"):
                pool.nodes[known[name]] = ("q", [], "")
            elif name.endswith("JSONSchemaPropsOrBool") or name.endswith("JSONSchemaPropsOrArray"):
                pool.nodes[known[name]] = ("*", [], "")
            elif name.endswith("JSONSchemaPropsOrStringArray") or name.endswith("v1.JSON"):
                pool.nodes[known[name]] = ("*", [], "")
        return known[name]
    if schema.get("format") == "int-or-string":
        return pool.add("x")
    kind = LETTERS.get(schema.get("type", "object" if "properties" in schema else None), "*")
    edges = []
    if kind == "a" and "items" in schema:
        edges = [("", builtin(pool, definitions, known, schema["items"]))]
    if kind == "o":
        required = set(schema.get("required", []))
        for name, field in sorted(schema.get("properties", {}).items()):
            assert not re.search(r"[\s|]", name) and name[0] != "+", name
            edges.append((name + ("!" if name in required else ":"), builtin(pool, definitions, known, field)))
        if isinstance(schema.get("additionalProperties"), dict):
            edges.append(("+", builtin(pool, definitions, known, schema["additionalProperties"])))
        elif "properties" not in schema:
            kind = "o*"
    return pool.add(kind, edges)


def api_version(gvk):
    return f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]


def lifecycle_rows():
    name, version, _ = API
    archive, rows = module(name, version), {}
    for path in archive.namelist():
        if not path.endswith("zz_generated.prerelease-lifecycle.go"):
            continue
        folder = os.path.dirname(path)
        register = archive.read(folder + "/register.go").decode()
        group = re.search(r'GroupName\s*=\s*"([^"]*)"', register).group(1)
        api = api_version({"group": group, "version": os.path.basename(folder)})
        text = archive.read(path).decode()
        lifecycle = r"func \(in \*(\w+)\) APILifecycle(\w+)\(\) \(major, minor int\) \{\s*return 1, (\d+)"
        for kind, what, minor in re.findall(lifecycle, text):
            rows.setdefault((api, kind), {})[what] = minor
        for kind, group, version_, to in re.findall(
            r'func \(in \*(\w+)\) APILifecycleReplacement\(\) schema.GroupVersionKind \{\s*return schema.GroupVersionKind\{'
            r'Group: "([^"]*)", Version: "([^"]*)", Kind: "([^"]*)"', text
        ):
            rows.setdefault((api, kind), {})["Replacement"] = api_version({"group": group, "version": version_}) + "/" + to
    lines = []
    for (api, kind), row in sorted(rows.items()):
        # An alpha or beta API is always "deprecated" some time; that people must act on is what has a date within reach.
        if kind.endswith("List") or "Deprecated" not in row:
            continue
        lines.append(f"L {api} {kind} {row['Deprecated']} {row.get('Removed', '-')} {row.get('Replacement', '-')}")
    return lines


def kubernetes():
    pool, apis = Pool(), {}
    for minor in sorted(KUBERNETES):
        definitions, known, here = swagger(minor), {}, {}
        for name, definition in sorted(definitions.items()):
            gvks = definition.get("x-kubernetes-group-version-kind", [])
            for gvk in gvks if len(gvks) == 1 else []:
                if gvk["kind"] not in NOT_APPLIED and not gvk["kind"].endswith("List"):
                    here[(api_version(gvk), gvk["kind"])] = builtin(pool, definitions, known, {"$ref": "#/" + name})
        for key in set(apis) | set(here):
            apis.setdefault(key, []).append((minor, here.get(key)))
    header = [f"k8s.io/kubernetes {version} Apache-2.0" for version in KUBERNETES.values()] + [" ".join(API)]
    write("kubernetes", header, pool, apis, lifecycle_rows())


# Custom resources ----------------------------------------------------------------------------------------------------

# What the wider Flux world uses, from the Go modules that carry their CustomResourceDefinitions: module, version, licence, files.
CRDS = [
    ("github.com/fluxcd/kustomize-controller", "v1.10.1", "Apache-2.0", r"config/crd/bases/.*\.yaml$"),
    ("github.com/fluxcd/source-controller", "v1.10.1", "Apache-2.0", r"config/crd/bases/.*\.yaml$"),
    ("github.com/fluxcd/flagger", "v1.36.1", "Apache-2.0", r"artifacts/flagger/crd\.yaml$"),
    ("sigs.k8s.io/gateway-api", "v1.7.0", "Apache-2.0", r"config/crd/experimental/.*\.yaml$"),
    ("istio.io/api", "v1.32.0", "Apache-2.0", r"kubernetes/customresourcedefinitions\.gen\.yaml$"),
    ("sigs.k8s.io/karpenter", "v1.15.0", "Apache-2.0", r"pkg/apis/crds/.*\.yaml$"),
    ("github.com/aws/karpenter-provider-aws", "v1.15.2", "Apache-2.0", r"/pkg/apis/crds/karpenter\.k8s\.aws.*\.yaml$"),
    ("github.com/cert-manager/cert-manager", "v1.21.2", "Apache-2.0", r"deploy/crds/.*\.yaml$"),
    ("github.com/external-secrets/external-secrets", "v1.3.2", "Apache-2.0", r"config/crds/bases/(external-secrets|generators).*\.yaml$"),
    ("github.com/prometheus-operator/prometheus-operator", "v0.85.0", "Apache-2.0",
     r"example/prometheus-operator-crd/.*\.yaml$"),
    ("github.com/vmware-tanzu/velero", "v1.18.3", "Apache-2.0", r"config/crd/v\d/bases/.*\.yaml$"),
    ("github.com/argoproj/argo-cd/v3", "v3.6.1", "Apache-2.0", r"manifests/crds/.*-crd\.yaml$"),
]
# Flux's other controllers, whose own modules the proxy does not carry: made from the Go types of their API modules, as they make
# theirs, with controller-gen. Needs Go 1.27. Apache-2.0, all of them.
CONTROLLER_GEN = "sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0"
TYPES = [
    ("github.com/fluxcd/helm-controller/api", "v1.7.1"),
    ("github.com/fluxcd/notification-controller/api", "v1.10.0"),
    ("github.com/fluxcd/image-reflector-controller/api", "v1.3.0"),
    ("github.com/fluxcd/image-automation-controller/api", "v1.3.0"),
]
KEPT = ("enum", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
        "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "default", "x-kubernetes-list-map-keys",
        "x-kubernetes-validations")


def custom(pool, schema, place="field"):
    """The node of a CustomResourceDefinition's schema; `crd.rs` reads those of a repository the same way: change both together."""
    int_or_text = schema.get("x-kubernetes-int-or-string") is True or schema.get("format") == "int-or-string"
    below = "junctor" if place == "junctor" else "field"
    kind = "x" if int_or_text else LETTERS.get(schema.get("type"), "*")
    required = schema.get("required", [])
    properties = dict(schema.get("properties", {}))
    edges, other = [], []
    for name in required:
        properties.setdefault(name, {})
    if place == "root":
        for name, default in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object")):
            properties.setdefault(name, {"type": default})
    for name, field in sorted(properties.items()):
        assert not re.search(r"[\s|]", name) and name[0] not in "+^", name
        edges.append((name + ("!" if name in required else ":"), custom(pool, field, below)))
    more = schema.get("additionalProperties")
    is_open = False
    if isinstance(more, dict):
        other.append(("+", custom(pool, more, below)))
    elif more is False:
        pass
    elif more is True or schema.get("x-kubernetes-preserve-unknown-fields") is True or place == "junctor":
        is_open = True
    else:
        is_open = "properties" not in schema
    if isinstance(schema.get("items"), dict):
        other.append(("", custom(pool, schema["items"], below)))
    for mark, word in (("^a", "allOf"), ("^y", "anyOf"), ("^o", "oneOf")):
        if word != "anyOf" or not int_or_text:
            other += [(mark, custom(pool, of, "junctor")) for of in schema.get(word, [])]
    if "not" in schema:
        other.append(("^n", custom(pool, schema["not"], "junctor")))
    nullable = schema.get("nullable") is True
    tail = {key: schema[key] for key in KEPT if key in schema and (key, schema[key]) != ("format", "int-or-string")}
    if str(tail.get("format", "")).startswith(("int", "float", "double")):
        del tail["format"]
    if tail.get("default", "") is None:
        del tail["default"]
    text = json.dumps(tail, separators=(",", ":"), sort_keys=True) if tail else ""
    return pool.add(kind + ("*" if is_open else "") + ("?" if nullable else ""), edges + other, text)


def generated(name, version):
    """The texts of the CustomResourceDefinitions that controller-gen makes of a module's types."""
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "go1.27.0"}
    with tempfile.TemporaryDirectory() as folder:
        run = lambda *args, at=folder: subprocess.run(args, cwd=at, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
        run("go", "mod", "init", "local/schemas")
        run("go", "get", f"{name}@{version}")
        types = os.path.join(folder, "types")
        shutil.copytree(run("go", "list", "-m", "-f", "{{.Dir}}", name).strip(), types)
        run("chmod", "-R", "u+w", types)
        made = os.path.join(folder, "made")
        run("go", "run", CONTROLLER_GEN, "crd", "paths=./...", f"output:crd:dir={made}", at=types)
        return [open(os.path.join(made, file), encoding="utf-8").read() for file in sorted(os.listdir(made))]


def crds():
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # A plain `=` is text to everybody but this library.
    loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)
    pool, apis, header = Pool(), {}, []
    sources = []
    for name, version, licence, files in CRDS:
        archive = module(name, version)
        texts = [archive.read(path) for path in sorted(archive.namelist()) if re.search(files, path)]
        sources.append((name, version, licence, texts))
    sources += [(name, version, "Apache-2.0", generated(name, version)) for name, version in TYPES]
    for name, version, licence, texts in sources:
        count = 0
        for document in (document for text in texts for document in yaml.load_all(text, Loader=loader)):
            if not document or document.get("kind") != "CustomResourceDefinition":
                continue
            spec = document["spec"]
            for served in spec["versions"]:
                schema = served.get("schema", {}).get("openAPIV3Schema")
                if schema is not None:
                    key = (f"{spec['group']}/{served['name']}", spec["names"]["kind"])
                    apis[key] = [(0, custom(pool, schema, "root"))]
                    count += 1
        header.append(f"{name} {version} {licence}")
        print(f"{name} {version}: {count} APIs")
    write("crds", header, pool, apis, [])


# What kubeconform reads: the same swagger as JSON Schema files, one a kind ----------------------------------------------

RECURSIVE = {"jsonschemaprops", "jsonschemapropsorarray", "customresourcevalidation", "customresourcedefinition",
             "customresourcedefinitionspec", "jsonschemapropsorstringarray", "jsonschemapropsorbool"}


def inlined(definitions, schema, required, top=False):
    if "$ref" in schema:
        schema = definitions[schema["$ref"].split("/")[-1]]
    if schema.get("format") == "int-or-string":
        return {"oneOf": [{"type": ["string", "null"]}, {"type": ["integer", "null"]}]}
    if schema.get("quantity"):
        return {"oneOf": [{"type": ["string", "null"]}, {"type": ["number", "null"]}]}
    made = {}
    if "type" in schema:
        made["type"] = schema["type"] if required else [schema["type"], "null"]
    for key in ("enum", "required"):
        if key in schema:
            made[key] = schema[key]
    if "properties" in schema:
        must = schema.get("required", [])
        made["properties"] = {k: inlined(definitions, v, k in must) for k, v in schema["properties"].items()}
        made["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            made[key] = inlined(definitions, schema[key], False)
    if top:
        made.update({"type": "object", "additionalProperties": False, "$schema": "http://json-schema.org/schema#"})
    return made


def oracle(folder, minor):
    definitions = swagger(minor)
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"quantity": True}
    target = os.path.join(folder, f"{KUBERNETES[minor]}-standalone-strict")
    os.makedirs(target, exist_ok=True)
    for name, definition in definitions.items():
        gvks = definition.get("x-kubernetes-group-version-kind", [])
        kind = name.split(".")[-1].lower()
        if len(gvks) != 1 or kind in RECURSIVE or kind.endswith("list") or "properties" not in definition:
            continue
        properties = definition["properties"]
        if "apiVersion" not in properties:
            continue
        properties["apiVersion"] = {**properties["apiVersion"], "enum": [api_version(gvks[0])]}
        properties["kind"] = {**properties["kind"], "enum": [gvks[0]["kind"]]}
        group, version = name.split(".")[-3].lower(), name.split(".")[-2].lower()
        file = f"{kind}-{version}" if group in ("core", "api") else f"{kind}-{group}-{version}"
        with open(os.path.join(target, file + ".json"), "w") as out:
            json.dump(inlined(definitions, {"$ref": name}, True, top=True), out)


if __name__ == "__main__":
    what = sys.argv[1:] or ["kubernetes", "crds"]
    if what[0] == "oracle":
        for number in KUBERNETES if len(what) < 3 else [int(what[2])]:
            oracle(what[1], number)
    else:
        for step in what:
            {"kubernetes": kubernetes, "crds": crds}[step]()
