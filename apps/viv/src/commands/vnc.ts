// `viv vnc`: a port on loopback for VNC viewers, each of whose connections goes through the API server to the VM's screen.

import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { VirtualMachine, type ObjectKey } from "@vivarium/api";
import { resourcePath, type ApiClient, type ByteStream } from "@vivarium/client";
import type { GlobalOptions } from "../global-options.ts";
import { print, tell } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";

interface VncOptions extends GlobalOptions {
  readonly port?: number;
  readonly url?: boolean;
}

export async function vnc(name: string, options: VncOptions): Promise<void> {
  await using session = await connect(options);
  const { client, server } = session;
  const key = { namespace: session.namespace, name };
  if (options.url === true) {
    print(await socketUrl(client, { server, key }));
    return;
  }
  // A VM without a screen is an error now, and not at the viewer's first try.
  await (await client.openScreen(VirtualMachine, key)).close();
  await serveViewers(client, { key, port: options.port ?? 0 });
}

async function serveViewers(
  client: ApiClient,
  { key, port }: { readonly key: ObjectKey; readonly port: number },
): Promise<void> {
  using signal = interruptSignal();
  const viewers = new Set<Socket>();
  const listener = createServer((viewer) => {
    viewers.add(viewer);
    viewer.once("close", () => viewers.delete(viewer));
    viewer.on("error", () => undefined);
    serveViewer(client, { key, viewer }).catch((error: unknown) => {
      viewer.destroy();
      tell(error instanceof Error ? error.message : String(error));
    });
  });
  listener.listen(port, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address() as AddressInfo;
  print(`${address.address}:${address.port}`);
  tell(`Open it with a VNC viewer, for example: vncviewer ${address.address}::${address.port}. Ctrl-C ends it.`);
  if (!signal.aborted) await once(signal, "abort");
  const closed = once(listener, "close");
  listener.close();
  for (const viewer of viewers) viewer.destroy();
  await closed;
}

async function serveViewer(
  client: ApiClient,
  { key, viewer }: { readonly key: ObjectKey; readonly viewer: Socket },
): Promise<void> {
  const screen = await client.openScreen(VirtualMachine, key);
  await Promise.all([fromViewer(viewer, screen), toViewer(screen, viewer)]);
}

async function fromViewer(viewer: Socket, screen: ByteStream): Promise<void> {
  try {
    for await (const bytes of viewer) await screen.write(bytes as Uint8Array);
  } catch (error) {
    // A viewer that breaks off, or is closed from here, has ended.
    if (!viewer.destroyed) throw error;
  } finally {
    await screen.close();
  }
}

async function toViewer(screen: ByteStream, viewer: Socket): Promise<void> {
  for await (const bytes of screen.output) {
    if (viewer.destroyed) return;
    if (!viewer.write(bytes)) await Promise.race([once(viewer, "drain"), once(viewer, "close")]);
  }
  viewer.end();
}

/** With a token in it: whoever has the address within a minute, and first, has the screen. */
async function socketUrl(
  client: ApiClient,
  { server, key }: { readonly server: string; readonly key: ObjectKey },
): Promise<string> {
  const path = resourcePath(VirtualMachine, { ...key, subresource: "vnc" });
  const url = new URL(`${server.replace(/\/$/, "")}${path}`);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("token", await client.screenToken(VirtualMachine, key));
  return url.href;
}
