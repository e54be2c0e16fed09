import multicastDns, { type OutgoingPacket } from "multicast-dns";

/*
 * Sends one mDNS response on the network of the host that it runs in, whatever it claims. Arguments: the host's address,
 * and the packet as JSON.
 */

const [address = "", packet = "{}"] = process.argv.slice(2);
const mdns = multicastDns({ interface: address, bind: "0.0.0.0" });
mdns.on("ready", () => {
  mdns.respond(JSON.parse(packet) as OutgoingPacket, null, (error) => {
    if (error) throw error;
    mdns.destroy();
  });
});
