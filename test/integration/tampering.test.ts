import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agent, signedAgentText, tamperingCases } from "../fixtures/tampering.ts";
import { startTestService, type TestService, thingPath } from "../support/service.ts";

let registry: TestService;
beforeAll(async () => {
  registry = await startTestService();
});
afterAll(() => registry?.close());

const put = (text: string) =>
  registry.request(thingPath(String(agent["id"])), {
    method: "PUT",
    headers: { "content-type": "application/td+json" },
    body: text,
  });

describe("what somebody without the key can do to a signed description", () => {
  test("is never stored when it changes anything, and changes nothing when it is stored", async () => {
    const original = signedAgentText();
    expect((await put(original)).status).toBe(201);
    const wrong: string[] = [];
    for (const { name, apply, accepted } of tamperingCases()) {
      const tampered = apply(original);
      const { status } = await put(tampered);
      if (accepted ? status !== 204 : status < 400 || status >= 500) wrong.push(`${name}: ${status}`);
    }
    expect(wrong).toEqual([]);
    expect(await (await registry.request(thingPath(String(agent["id"])))).text()).toBe(original);
  });
});
