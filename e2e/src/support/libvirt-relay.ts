// A relay between the server and libvirtd that fails as links and daemons do: it loses answers to what was done, falls silent with its
// connections open, and swallows events. It reads no more of the protocol (https://libvirt.org/kbase/internals/rpc.html) than the headers.

import { once } from "node:events";
import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";

const daemonSocket = "/run/libvirt/libvirt-sock";
const remoteProgram = 0x20008086;
const headerBytes = 28;
const type = { call: 0, reply: 1, event: 2 } as const;

/** Numbers of libvirt's calls that change something. */
export const change = {
  storageVolCreateXml: 93,
  storageVolDelete: 94,
  storageVolUpload: 208,
  domainCreateWithFlags: 196,
  domainUndefineFlags: 231,
  domainDestroyFlags: 234,
  domainDefineXmlFlags: 350,
} as const;

interface Loss {
  readonly procedure: number;
  readonly happened: () => void;
}

interface Link {
  readonly client: Socket;
  readonly daemon: Socket;
}

export class LibvirtRelay implements AsyncDisposable {
  readonly #path: string;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #losses: Loss[] = [];
  #isSilent = false;
  /** Whether the client is told of nothing that happens. */
  isDeaf = false;

  private constructor(path: string) {
    this.#path = path;
    this.#server = createServer((client) => this.#join(client));
  }

  static async start(path: string): Promise<LibvirtRelay> {
    const relay = new LibvirtRelay(path);
    relay.#server.listen(path);
    await once(relay.#server, "listening");
    return relay;
  }

  /** Of a Provider that goes through here. */
  get endpoint(): string {
    return `qemu:///system?socket=${this.#path}`;
  }

  /** The next call of this kind is done; instead of its answer the connection ends. Resolves when that has happened. */
  loseAnswer(procedure: number): Promise<void> {
    return new Promise((happened) => this.#losses.push({ procedure, happened }));
  }

  /** Connections stay open, new ones are taken, and nothing goes through them any more. */
  fallSilent(): void {
    this.#isSilent = true;
    for (const { client, daemon } of this.#links) {
      client.pause();
      daemon.pause();
    }
  }

  /** The silent connections end, as when a router forgets them; new ones work. */
  speak(): void {
    this.#isSilent = false;
    for (const link of this.#links) cut(link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const link of this.#links) cut(link);
    await closed;
    await rm(this.#path, { force: true });
  }

  #join(client: Socket): void {
    const link: Link = { client, daemon: connect(daemonSocket) };
    this.#links.add(link);
    const end = (): void => {
      this.#links.delete(link);
      // Of a silent link neither side learns that the other is gone.
      if (!this.#isSilent) cut(link);
    };
    for (const socket of [link.client, link.daemon]) {
      socket.on("error", () => undefined);
      socket.on("close", end);
    }
    /** Serials of calls whose answers are to be lost. */
    const doomed = new Map<number, Loss>();
    this.#forward(link.client, link.daemon, (frame) => {
      if (isOf(frame, type.call)) {
        const index = this.#losses.findIndex(({ procedure }) => procedure === frame.readInt32BE(12));
        const [loss] = index < 0 ? [] : this.#losses.splice(index, 1);
        if (loss !== undefined) doomed.set(frame.readUInt32BE(20), loss);
      }
      return true;
    });
    this.#forward(link.daemon, link.client, (frame) => {
      const loss = isOf(frame, type.reply) ? doomed.get(frame.readUInt32BE(20)) : undefined;
      if (loss !== undefined) {
        cut(link);
        loss.happened();
        return false;
      }
      return !(this.isDeaf && isOf(frame, type.event));
    });
    if (this.#isSilent) {
      client.pause();
      link.daemon.pause();
    }
  }

  /** Frame by frame; those that `passes` refuses go nowhere. */
  #forward(from: Socket, to: Socket, passes: (frame: Buffer) => boolean): void {
    let held = Buffer.alloc(0);
    from.on("data", (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 4 && held.length >= held.readUInt32BE(0)) {
        const frame = held.subarray(0, held.readUInt32BE(0));
        held = held.subarray(frame.length);
        if (!passes(frame)) continue;
        if (!to.write(frame)) {
          from.pause();
          to.once("drain", () => !this.#isSilent && from.resume());
        }
      }
    });
  }
}

function isOf(frame: Buffer, wanted: number): boolean {
  return frame.length >= headerBytes && frame.readUInt32BE(4) === remoteProgram && frame.readUInt32BE(16) === wanted;
}

function cut({ client, daemon }: Link): void {
  client.destroy();
  daemon.destroy();
}
