// Types a command into the tiny guest's shell on the serial console, through the server's own console, and gives what it prints.

import { readFile } from "node:fs/promises";
import { WebSocket } from "ws";
import { parse } from "yaml";
import { eventually } from "./eventually.ts";
import type { VivServer } from "./viv-server.ts";

interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly "certificate-authority-data": string } },
  ];
  readonly users: readonly [{ readonly user: { readonly token: string } }];
}

export async function guestShell(server: VivServer, vm: string, command: string): Promise<string> {
  const { clusters, users } = parse(await readFile(server.kubeconfig, "utf8")) as Kubeconfig;
  const { cluster } = clusters[0];
  const url = `${cluster.server.replace("https:", "wss:")}/apis/infra.virtrigaud.io/v1beta1/namespaces/default/virtualmachines/${vm}/console`;
  const ca = Buffer.from(cluster["certificate-authority-data"], "base64");
  const socket = new WebSocket(url, { ca, headers: { authorization: `Bearer ${users[0].user.token}` } });
  let heard = "";
  socket.on("message", (data: Buffer) => (heard += data.toString("latin1")));
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  try {
    // A shell that has just come up may miss the first words.
    return await eventually(
      `the guest answers to ${command}`,
      async () => {
        heard = "";
        socket.send(Buffer.from(`echo "A""NSWER=$(${command})=E""ND"\n`));
        return eventually("it prints", () => Promise.resolve(/ANSWER=([^]*?)=END/.exec(heard)?.[1]?.trim()), {
          timeoutMs: 5_000,
        });
      },
      { timeoutMs: 60_000 },
    );
  } finally {
    socket.close();
  }
}
