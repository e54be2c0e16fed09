import { Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { PeerReport } from "./federation-port.ts";

/** What `/metrics` shows. */
export function createMetrics(version: string) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const admissions = new Histogram({
    name: "thingstead_admission_seconds",
    help: "Time that an admission took, by door, intent and outcome.",
    labelNames: ["door", "intent", "outcome"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 10],
    registers: [registry],
  });
  new Gauge({
    name: "thingstead_info",
    help: "Constant 1; the labels say what runs.",
    labelNames: ["version", "node"],
    registers: [registry],
  }).set({ version, node: process.version }, 1);
  return {
    registry,
    watchEventStreams(count: () => number) {
      registry.registerMetric(
        new Gauge({
          name: "thingstead_event_streams",
          help: "Event streams that are open.",
          registers: [],
          collect() {
            this.set(count());
          },
        }),
      );
    },
    /** Shows how far search on another server lags behind. */
    watchSearchBacklog(count: () => Promise<number>) {
      registry.registerMetric(
        new Gauge({
          name: "thingstead_search_backlog",
          help: "Changes of entries that the search server does not know yet.",
          registers: [],
          async collect() {
            this.set(await count());
          },
        }),
      );
    },
    /** Shows how `list`'s peers stand. */
    watchPeers(list: () => Promise<PeerReport[]>) {
      registry.registerMetric(
        new Gauge({
          name: "thingstead_peers",
          help: "Peers, by the side that follows and the state of the follow.",
          labelNames: ["side", "state"],
          registers: [],
          async collect() {
            const peers = await list();
            this.reset();
            for (const { follower, following } of peers) {
              this.inc({ side: "follower", state: follower.state });
              this.inc({ side: "following", state: following.state });
            }
          },
        }),
      );
      const watch = (name: string, help: string, valueOf: (peers: PeerReport[]) => number) => {
        const collect = async function collect(this: Gauge) {
          this.set(valueOf(await list()));
        };
        registry.registerMetric(new Gauge({ name, help, registers: [], collect }));
      };
      watch("thingstead_peers_failing", "Followers that did not answer the last delivery.", (peers) => {
        return peers.filter(({ follower }) => follower.failures > 0).length;
      });
      watch("thingstead_peer_lag_max", "Changes that the follower furthest behind was not told of yet.", (peers) => {
        return Math.max(0, ...peers.map(({ follower }) => follower.lag ?? 0));
      });
      watch("thingstead_held_documents", "Documents of peers that wait to be decided on.", (peers) => {
        return peers.reduce((sum, { following }) => sum + following.held, 0);
      });
    },

    countAdmission(record: { door: string; intent: string; outcome: string; milliseconds: Record<string, number> }) {
      const { door, intent, outcome, milliseconds } = record;
      const total = Object.values(milliseconds).reduce((sum, one) => sum + one, 0);
      admissions.observe({ door, intent, outcome }, total / 1000);
    },
  };
}
