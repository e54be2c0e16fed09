import { describe, expect, test } from "vitest";
import { filterLinks, formatLinks, type WebLink } from "./link-format.ts";

const links: WebLink[] = [
  { href: "/.well-known/wot", attributes: { rt: "wot.directory other", ct: "432", title: "The directory, itself" } },
  { href: "/things", attributes: { title: "Things" } },
];

test("links are written with their attributes, numbers without quotes", () => {
  expect(formatLinks(links)).toBe(
    '</.well-known/wot>;rt="wot.directory other";ct=432;title="The directory, itself",</things>;title="Things"',
  );
  expect(formatLinks([])).toBe("");
});

describe("a filter", () => {
  test.each([
    ["", ["/.well-known/wot", "/things"]],
    ["rt=wot.directory", ["/.well-known/wot"]],
    ["rt=other", ["/.well-known/wot"]],
    ["rt=wot.*", ["/.well-known/wot"]],
    ["rt=*", ["/.well-known/wot"]],
    ["rt=wot", []],
    ["rt=wot.directory%20other", []],
    ["href=/things", ["/things"]],
    ["href=/*", ["/.well-known/wot", "/things"]],
    ["href=/other*", []],
    ["title=Things", ["/things"]],
    ["title=The*", ["/.well-known/wot"]],
    ["ct=432", ["/.well-known/wot"]],
    ["rt=wot.*&href=/things", []],
    ["toString=*", []],
  ])("%j keeps %j", (query, kept) => {
    expect(filterLinks(links, new URLSearchParams(query)).map(({ href }) => href)).toEqual(kept);
  });
});
