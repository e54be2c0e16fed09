import * as fc from "fast-check";
import { expect, test } from "vitest";
import { findPeer, peerLabel } from "./peer-names.ts";

const one = {
  id: "6f1f0f7a-5a3e-4a52-9d0c-2f6fb1f7c0de",
  actor: "https://one.example/actor",
  origin: "https://one.example",
  handle: "registry@one.example",
};
const two = { ...one, id: "11111111-2222-4333-8444-555555555555", actor: "https://one.example/users/a", handle: null };
const three = {
  id: "three",
  actor: "http://three.example:8080/actor",
  origin: "http://three.example:8080",
  handle: "a@b",
};
const peers = [one, two, three];

test.each([
  [one.id.toUpperCase(), one],
  ["@registry@one.example", one],
  ["Registry@One.Example", one],
  ["https://ONE.example/actor", one],
  ["https://one.example/users/a", two],
  ["http://three.example:8080", three],
  [" http://three.example:8080/ ", three],
])("%s is one peer", (name, peer) => {
  expect(findPeer(name, peers)).toBe(peer);
});

test.each(["https://one.example", "https://one.example/"])("%s is said to be ambiguous, with the ids", (name) => {
  expect(() => findPeer(name, peers)).toThrow(new RegExp(`several.*\n {2}${one.id}.*\n {2}${two.id}`));
});

test.each(["", "one.example", "https://three.example", "https://one.example/?a", "@one.example", "http://one.example"])(
  "%j is nobody",
  (name) => {
    expect(() => findPeer(name, peers)).toThrow("There is no peer");
  },
);

test("whatever is named, the answer is a peer of that name or a refusal", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.emailAddress()), (name) => {
      try {
        expect(peers).toContain(findPeer(name, peers));
      } catch (error) {
        expect(error).toMatchObject({ name: "Refusal" });
      }
    }),
  );
});

test("a label is a handle where there is one", () => {
  expect(peers.map(peerLabel)).toEqual(["@registry@one.example", "https://one.example/users/a", "@a@b"]);
});
