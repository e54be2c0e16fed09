import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { startAvahi } from "../support/avahi.ts";
import { createNetwork } from "../support/network.ts";
import { describeOnNetworks, eventually } from "./on-networks.ts";

/** Namespaces of this process. */
const namespaces = () =>
  execFileSync("ip", ["netns", "list"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.startsWith(`thingstead-network-${process.pid}-`));

describeOnNetworks("a network for tests", () => {
  test("carries what Avahi announces on one host to Avahi on another, and nothing out of it", async () => {
    await using network = await createNetwork();
    const [one, other] = [await network.host("one"), await network.host("other")];
    const [avahi, browser] = await Promise.all([startAvahi(one), startAvahi(other)]);
    const capture = await other.capture("udp port 5353");
    const lamp = await avahi.publish({ name: "Lamp; 1", port: 8090, txt: ["td=/lamp", 'title="x"'] });

    const found = await browser.browse("_wot._tcp");
    expect(found).toEqual([
      { name: "Lamp; 1", host: "one.local", address: one.address, port: 8090, txt: ["td=/lamp", 'title="x"'].sort() },
    ]);
    await lamp.end();
    // A goodbye leaves the record a last second (RFC 6762 §10.1).
    await eventually(async () => ((await browser.browse("_wot._tcp")).length === 0 ? true : null), "an end");
    expect(
      await eventually(async () => /\[0s\] PTR Lamp; 1\._wot/.exec(await capture.text()), "a goodbye"),
    ).toHaveLength(1);

    const server = await one.serve(8090, (request, response) => response.end(`${request.method} ${request.url}`));
    expect(await other.fetch(`http://${one.address}:8090/lamp`, { method: "PUT", body: "on" })).toMatchObject({
      status: 200,
      text: "PUT /lamp",
    });
    expect(server.connections()).toBe(1);
    expect(server.requests).toEqual(["/lamp"]);

    const { stdout } = await one.run("ip", ["-brief", "link"]);
    expect(stdout.split("\n").map((line) => line.split(/[@ ]/)[0])).toEqual(["lo", "eth0", ""]);
  });

  test("is gone once it is disposed of, with all that ran in it", async () => {
    let pid: number;
    {
      await using network = await createNetwork();
      const host = await network.host("one");
      const sleeper = host.start("sleep", ["1000"]);
      pid = sleeper.pid;
      expect(namespaces()).toHaveLength(2);
      await host.kill();
      expect(await sleeper.end()).toBeNull();
    }
    expect(namespaces()).toEqual([]);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });
});
