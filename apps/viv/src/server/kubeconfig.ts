// Kubeconfigs: what kubectl and viv read to find the server, trust it and be let in. One for the local administrator, and those of users.

export interface KubeconfigParts {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
}

/** Of the administrator. */
export function kubeconfigFor({ url, caPem, token }: KubeconfigParts): string {
  return kubeconfig({ url, caPem }, { name: "vivarium-admin", credentials: { token } });
}

/** Of a user with a client certificate. */
export function userKubeconfig(parts: {
  readonly url: string;
  readonly caPem: string;
  readonly name: string;
  readonly cert: string;
  readonly key: string;
}): string {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const credentials = { "client-certificate-data": base64(parts.cert), "client-key-data": base64(parts.key) };
  return kubeconfig(parts, { name: parts.name, credentials });
}

/** JSON is YAML, and needs no quoting rules. */
function kubeconfig(
  { url, caPem }: { readonly url: string; readonly caPem: string },
  { name: user, credentials }: { readonly name: string; readonly credentials: object },
): string {
  const name = "vivarium";
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: url, "certificate-authority-data": Buffer.from(caPem).toString("base64") } }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name, context: { cluster: name, user, namespace: "default" } }],
    "current-context": name,
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
