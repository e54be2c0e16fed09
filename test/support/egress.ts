import type { Egress } from "../../src/base/egress.ts";

/** An egress for what must not need the network: any request fails the test. */
export const refusingEgress: Egress = {
  get: async (url) => {
    throw new Error(`nothing should be fetched here, and ${String(url)} was`);
  },
  close: async () => {},
};
