// The kubeconfig of the local administrator: what kubectl and viv read to find the server, trust it and be let in.

export interface KubeconfigParts {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
}

/** JSON is YAML, and needs no quoting rules. */
export function kubeconfigFor(parts: KubeconfigParts): string {
  const name = "vivarium";
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name,
        cluster: { server: parts.url, "certificate-authority-data": Buffer.from(parts.caPem).toString("base64") },
      },
    ],
    users: [{ name: `${name}-admin`, user: { token: parts.token } }],
    contexts: [{ name, context: { cluster: name, user: `${name}-admin`, namespace: "default" } }],
    "current-context": name,
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
