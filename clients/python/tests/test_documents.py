"""docs/openapi.json and docs/asyncapi.yaml: sound, and in step with the sources of the gateway.

The sources are read as text: the ops and fields that the decoder knows, the messages and fields that are written. What
one side has and the other lacks is named, with the file where it belongs.
"""

import json
import re
import unittest
from pathlib import Path

import jsonschema
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

ROOT = Path(__file__).resolve().parents[3]
CONTROL = ROOT / "wire/src/control"
ASYNCAPI = "docs/asyncapi.yaml"


def source(path: str) -> str:
    """A Rust file without its tests."""
    return (ROOT / path).read_text().split("#[cfg(test)]\nmod tests {")[0]


def rust_files(*folders: str) -> str:
    files = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.rs"))
    return "\n".join(source(str(path.relative_to(ROOT))) for path in files if path.name != "tests.rs")


def requests() -> dict[str, set[str]]:
    """Each op that the decoder knows, with its fields."""
    names = dict(re.findall(r'\b([A-Z]\w*) = "(\w+)"', source("wire/src/control/decode.rs")))
    text = source("wire/src/control/decode/ops.rs")
    lists = text + source("wire/src/control/decode/alerts.rs")
    sets = {name: {names[field] for field in re.findall(r"Field::(\w+)", fields)}
            for name, fields in re.findall(r"const ([A-Z_]+): u\d+ =\s*set\(&\[(.*?)\]\)", lists, re.S)}
    known = text.split("let allowed = match op {")[1].split("self.only(allowed)")[0]
    found = {}
    for ops, allowed in re.findall(r'((?:"[a-z_.]+"\s*\|?\s*)+)=>\s*(\w+|\{)', known):
        for op in re.findall(r'"([a-z_.]+)"', ops):
            found[op] = sets.get(allowed, set())
    return found


def structs() -> dict[str, dict[str, bool]]:
    """The members of each written type, by its name: whether each is always there."""
    text = "\n".join(source(f"wire/src/control/{name}.rs") for name in ("reply", "orders", "alerts"))
    bodies = dict(re.findall(r"pub struct (\w+)(?:<'a>)? \{\n(.*?)\n\}", text, re.S))

    def members(name: str) -> dict[str, bool]:
        found = {}
        for attributes, field, kind in re.findall(r"((?:    #\[.*?\]\n)*)    pub (\w+): (.*),", bodies[name]):
            if "flatten" in attributes:
                inner = re.search(r"(\w+)(?:<'a>)?>?$", kind).group(1)
                found |= {n: must and "Option" not in kind for n, must in members(inner).items()}
                continue
            renamed = re.search(r'rename = "(\w+)"', attributes)
            found[renamed.group(1) if renamed else field] = "skip_serializing_if" not in attributes
        return found

    return {name: members(name) for name in bodies}


def typed_messages() -> dict[str, dict[str, bool]]:
    """The members of each message that is written from a type: its op stands in the type's first line."""
    text = "\n".join(source(f"wire/src/control/{name}.rs") for name in ("reply", "orders", "alerts"))
    known, found = structs(), {}
    for first, name in re.findall(r"/// (`.*)\n(?:///.*\n)*#\[derive.*\]\npub struct (\w+)", text):
        for op in re.findall(r"`([a-z_.]+)`", first.split(":")[0].rstrip(".")):
            found[op] = known[name]
    return found


def written() -> set[str]:
    """Every op that stands in the sources of what the gateway writes."""
    text = rust_files("gateway/src", "wire/src")
    found = set(re.findall(r'\btext\(\s*"([a-z_.]+)"', text))
    found |= set(re.findall(r'\{\\"op\\":\\"([a-z_.]+)', text))
    found |= set(re.findall(r'join_head\(\s*"([a-z_.]+)"', text))
    found |= set(re.findall(r'Kind::\w+(?:\s*\|\s*Kind::\w+)* => "([a-z_]+)"', source("wire/src/frame/json.rs")))
    return found


class OpenApi(unittest.TestCase):
    def test_the_document_is_sound(self) -> None:
        document = json.loads((ROOT / "docs/openapi.json").read_text())
        OpenAPIV31SpecValidator(document).validate()
        self.assertGreaterEqual(len(document["paths"]), 7)


class AsyncApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.document = yaml.safe_load((ROOT / ASYNCAPI).read_text())
        cls.messages = cls.document["components"]["messages"]
        cls.requests = {key: message for key, message in cls.messages.items()
                        if not key.startswith("told.") and key != "frames"}
        cls.told = {key.removeprefix("told."): message for key, message in cls.messages.items()
                    if key.startswith("told.")}

    def resolve(self, reference: str) -> object:
        at = self.document
        for part in reference.removeprefix("#/").split("/"):
            self.assertIn(part, at, f"{ASYNCAPI}: {reference} leads nowhere")
            at = at[part]
        return at

    def references(self, at: object) -> set[str]:
        if isinstance(at, dict):
            own = {at["$ref"]} if "$ref" in at else set()
            return own.union(*(self.references(value) for value in at.values()))
        return set().union(*(self.references(value) for value in at)) if isinstance(at, list) else set()

    def schema(self, key: str) -> dict:
        return {"components": self.document["components"], **self.messages[key]["payload"]}

    def test_the_document_is_sound(self) -> None:
        self.assertEqual(self.document["asyncapi"], "3.1.0")
        references = self.references(self.document)
        for reference in references:
            self.resolve(reference)
        for channel in self.document["channels"].values():
            for key, message in channel["messages"].items():
                self.assertEqual(message, {"$ref": f"#/components/messages/{key}"})
        for key, message in self.messages.items():
            self.assertIn(f"#/components/messages/{key}", references, "a message of no channel")
            self.assertTrue(any(reference.endswith(f"/messages/{key}") and reference.startswith("#/channels/")
                                for reference in references), f"{key}: a message of no operation")
            jsonschema.Draft202012Validator.check_schema(message["payload"])
            self.assertEqual(message["name"], key.removeprefix("told."))
        for name, schema in self.document["components"]["schemas"].items():
            self.assertIn(f"#/components/schemas/{name}", references, "a schema of nothing")
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_each_request_of_the_decoder_stands_in_it_and_no_other(self) -> None:
        known = requests()
        self.assertGreaterEqual(len(known), 15, "the decoder's table was not found: see requests() above")
        self.assert_same(set(known), set(self.requests), "ops", "wire/src/control/decode/ops.rs")
        for op, fields in known.items():
            described = set(self.requests[op]["payload"]["properties"]) - {"op", "id"}
            self.assert_same(fields, described, f"fields of `{op}`", "wire/src/control/decode/ops.rs")

    def test_each_message_of_the_gateway_stands_in_it_and_no_other(self) -> None:
        known = written()
        self.assertGreaterEqual(len(known), 18, "the messages were not found: see written() above")
        self.assert_same(known, set(self.told), "messages", "gateway/src and wire/src")
        typed = typed_messages()
        self.assertGreaterEqual(len(typed), 12, "the types were not found: see typed_messages() above")
        for op, members in typed.items():
            payload = self.told[op]["payload"]
            self.assert_same(set(members), set(payload["properties"]) - {"op"}, f"members of `{op}`",
                             "wire/src/control")
            always = {name for name, must in members.items() if must}
            self.assert_same(always, set(payload["required"]) - {"op"}, f"members that `{op}` always has",
                             "wire/src/control")

    def test_a_heartbeat_has_the_members_that_are_written(self) -> None:
        body = rust_files("gateway/src").split("fn put_heartbeat")[1].split("\n    }")[0]
        members = set(re.findall(r'[{,]\\"(\w+)\\":', body)) - {"op"}
        self.assert_same(members, set(self.told["heartbeat"]["payload"]["properties"]) - {"op"},
                         "members of `heartbeat`", "put_heartbeat")

    def test_parts_of_messages_are_as_their_types(self) -> None:
        schemas, known = self.document["components"]["schemas"], structs()
        for name, schema in {"Symbol": schemas["Symbol"], "Rejected": schemas["Rejected"]["items"],
                             "OrderState": schemas["OrderState"],
                             "Limits": schemas["Limits"], "Used": schemas["Used"]}.items():
            self.assert_same(set(known[name]), set(schema["properties"]), f"members of {name}", "wire/src/control")

    def test_the_protocols_examples_fit(self) -> None:
        text = (ROOT / "docs/protocol.md").read_text()
        examples = [json.loads(example) for example in re.findall(r"```json\n(\{.*?\})\n```", text)]
        examples = [example for example in examples if "op" in example]  # one is a token's claim
        self.assertGreaterEqual({example["op"] for example in examples}, {"quotes", "trades", "trade_totals"})
        for example in examples:
            jsonschema.Draft202012Validator(self.schema(f"told.{example['op']}")).validate(example)

    def assert_same(self, theirs: set[str], ours: set[str], what: str, where: str) -> None:
        self.assertEqual(theirs, ours, f"{what}: {ASYNCAPI} lacks {sorted(theirs - ours)}, "
                                       f"{where} lacks {sorted(ours - theirs)}")


if __name__ == "__main__":
    unittest.main()
