import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Host, HostProcess } from "./network.ts";

/** Avahi on a host: an implementation of mDNS and DNS-SD that owes nothing to ours, as most Linux machines run it. */
export interface Avahi {
  /** Announces a service with `avahi-publish`; resolves once the name is established. */
  publish(announcement: Announcement): Promise<Publication>;
  /** Announces an address of a host, whoever's it is; `name` ends in `.local`. */
  publishAddress(name: string, address: string): Promise<Publication>;
  /** What `avahi-browse` finds and resolves of a type, or of a subtype `_sub._sub._type._tcp`, over IPv4. */
  browse(type: string): Promise<FoundService[]>;
  /** An `avahi-browse` that goes on; it writes a line for each change. */
  follow(type: string): HostProcess;
}

export interface Announcement {
  name: string;
  port: number;
  /** Strings of the TXT record, such as `td=/`. */
  txt?: readonly string[];
  /** Default: `_wot._tcp`. */
  type?: string;
  /** The host that offers it. Default: the one that announces it. */
  host?: string;
}

export interface Publication {
  /** Withdraws it, with a goodbye. */
  end(): Promise<void>;
}

export interface FoundService {
  name: string;
  host: string;
  address: string;
  port: number;
  txt: string[];
}

/** What Debian's configuration says, with a name for the host. */
const avahiConf = (name: string) => `[server]
host-name=${name}
use-ipv4=yes
use-ipv6=yes
ratelimit-interval-usec=1000000
ratelimit-burst=1000
[publish]
publish-hinfo=no
publish-workstation=no
`;

/** A system bus where everybody in the host may do everything. */
const busConf = (socket: string) => `<busconfig>
  <type>system</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_type="method_call"/><allow send_type="method_return"/><allow send_type="signal"/><allow send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="signal"/><allow receive_type="error"/>
  </policy>
  <limit name="max_connections_per_user">1024</limit>
</busconfig>
`;

/** Starts Avahi on a host, with a D-Bus of its own, as `hostName`.local (default: the host's name). */
export async function startAvahi(host: Host, hostName = host.name): Promise<Avahi> {
  const socket = path.join(host.directory, "bus");
  const files = { bus: path.join(host.directory, "bus.conf"), avahi: path.join(host.directory, "avahi.conf") };
  await writeFile(files.bus, busConf(socket));
  await writeFile(files.avahi, avahiConf(hostName));
  const env = { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${socket}` };

  const bus = host.start("dbus-daemon", [`--config-file=${files.bus}`, "--nofork", "--nopidfile", "--print-address"]);
  await bus.wrote("unix:path=");
  // Avahi insists on /run for its socket and its process id, which hosts would share.
  const script = `mount -t tmpfs tmpfs /run && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f ${files.avahi}`;
  const daemon = host.start("unshare", ["--mount", "sh", "-c", script], env);
  await daemon.wrote("Server startup complete");

  const publish = async (args: readonly string[]): Promise<Publication> => {
    const publisher = host.start("avahi-publish", args, env);
    await publisher.wrote("Established under name");
    return { end: async () => void (await publisher.end()) };
  };

  return {
    publish({ name, port, txt = [], type = "_wot._tcp", host: offering }) {
      const hostArgs = offering === undefined ? [] : ["-H", offering];
      return publish([...hostArgs, "-s", name, type, String(port), ...txt]);
    },
    publishAddress: (name, address) => publish(["--no-reverse", "-a", name, address]),
    follow: (type) => host.start("avahi-browse", ["--resolve", "--parsable", type], env),
    async browse(type) {
      const { code, stdout, stderr } = await host.run("avahi-browse", ["--resolve", "--parsable", "-t", type], env);
      if (code !== 0) throw new Error(`avahi-browse ${type}: ${stderr}`);
      return readBrowse(stdout);
    },
  };
}

/** Lines of `avahi-browse --parsable` that begin with `=`: what was resolved, once for each interface and protocol. */
function readBrowse(text: string): FoundService[] {
  const lines = text.split("\n").map((line) => line.split(";"));
  return lines
    .filter(([event, link, protocol]) => event === "=" && link === "eth0" && protocol === "IPv4")
    .map(([, , , name = "", , , host = "", address = "", port = "", ...txt]) => ({
      name: unescape(name),
      host,
      address,
      port: Number(port),
      txt: [...txt.join(";").matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, string = ""]) => unescape(string)).sort(),
    }));
}

/** DNS names and strings as Avahi writes them: `\.` for a character, `\032` for a byte in decimal. */
function unescape(text: string): string {
  const bytes = text.replaceAll(/\\(\d{3}|.)/g, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number(code)) : code,
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}
