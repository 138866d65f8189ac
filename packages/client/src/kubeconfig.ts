// Reads kubeconfig files as kubectl does:
// https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { KubeconfigError } from "./kubeconfig-error.ts";

/** One server and how to authenticate there: what a context of a kubeconfig comes down to. */
export interface Cluster {
  /** For example `https://127.0.0.1:6443`. */
  readonly server: string;
  readonly namespace: string;
  /** PEM. The system's authorities when absent. */
  readonly ca?: string;
  readonly isTlsUnverified: boolean;
  /** Name to expect in the certificate, where it is not the server's address. */
  readonly tlsServerName?: string;
  readonly token?: string;
  readonly basicAuth?: { readonly username: string; readonly password: string };
  /** PEM. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string };
}

interface Entry {
  readonly value: Readonly<Record<string, unknown>>;
  /** Relative paths of an entry start at its own file's folder. */
  readonly folder: string;
}

interface Merged {
  currentContext: string | undefined;
  readonly contexts: Map<string, Entry>;
  readonly clusters: Map<string, Entry>;
  readonly users: Map<string, Entry>;
}

/**
 * Loads one context. `path` stands for `--kubeconfig`: that file alone; else the list in KUBECONFIG, else ~/.kube/config. In a list the first
 * file that names something wins. Throws KubeconfigError.
 */
export async function loadKubeconfig(
  options: {
    readonly path?: string;
    readonly context?: string;
    readonly env?: Readonly<Record<string, string | undefined>>;
  } = {},
): Promise<Cluster> {
  const paths = pathsOf(options.path, options.env ?? process.env);
  const merged: Merged = { currentContext: undefined, contexts: new Map(), clusters: new Map(), users: new Map() };
  let found = 0;
  for (const path of paths) {
    const text = await readIfThere(path);
    if (text === undefined) continue;
    found += 1;
    mergeFile(merged, { path, text });
  }
  const where = paths.join(", ");
  if (found === 0) {
    throw new KubeconfigError(
      "NotFound",
      `Cannot load the kubeconfig: no file at ${where}. Start the server, which writes one, or set KUBECONFIG.`,
    );
  }
  return resolveContext(merged, { where, name: options.context ?? merged.currentContext });
}

function pathsOf(path: string | undefined, env: Readonly<Record<string, string | undefined>>): readonly string[] {
  if (path !== undefined) return [path];
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((part) => part !== "");
  return listed.length > 0 ? listed : [join(env["HOME"] ?? homedir(), ".kube", "config")];
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new KubeconfigError("Missing", `Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function mergeFile(merged: Merged, file: { readonly path: string; readonly text: string }): void {
  const document = parseYaml(file);
  const currentContext = document["current-context"];
  if (typeof currentContext === "string" && currentContext !== "") merged.currentContext ??= currentContext;
  const folder = dirname(resolve(file.path));
  for (const [list, wrapper] of [
    ["contexts", "context"],
    ["clusters", "cluster"],
    ["users", "user"],
  ] as const) {
    const entries = document[list] ?? [];
    if (!Array.isArray(entries)) throw malformed(file.path, `"${list}" is not a list`);
    for (const entry of entries as unknown[]) {
      if (!isRecord(entry) || typeof entry["name"] !== "string")
        throw malformed(file.path, `"${list}" has an entry without a name`);
      const value = entry[wrapper] ?? {};
      if (!isRecord(value)) throw malformed(file.path, `${wrapper} "${entry["name"]}" is not a map`);
      if (!merged[list].has(entry["name"])) merged[list].set(entry["name"], { value, folder });
    }
  }
}

function parseYaml(file: { readonly path: string; readonly text: string }): Readonly<Record<string, unknown>> {
  let document: unknown;
  try {
    document = parse(file.text);
  } catch (error) {
    throw malformed(file.path, (error as Error).message, error);
  }
  // An empty file is what `touch` makes; kubectl takes it as a kubeconfig without entries.
  if (document === null || document === undefined) return {};
  if (!isRecord(document)) throw malformed(file.path, "it is not a map");
  return document;
}

async function resolveContext(
  merged: Merged,
  { where, name }: { readonly where: string; readonly name: string | undefined },
): Promise<Cluster> {
  if (name === undefined) {
    throw new KubeconfigError(
      "Missing",
      `Cannot use the kubeconfig ${where}: it has no current-context. Name one with --context.`,
    );
  }
  const context = merged.contexts.get(name);
  if (context === undefined) throw missing(where, `context "${name}"`, merged.contexts);
  const clusterName = stringOf(context, "cluster") ?? "";
  const cluster = merged.clusters.get(clusterName);
  if (cluster === undefined) throw missing(where, `cluster "${clusterName}" of context "${name}"`, merged.clusters);
  const server = stringOf(cluster, "server");
  if (server === undefined) throw malformed(where, `cluster "${clusterName}" has no server`);
  const userName = stringOf(context, "user");
  const user = userName === undefined ? undefined : merged.users.get(userName);
  if (userName !== undefined && user === undefined)
    throw missing(where, `user "${userName}" of context "${name}"`, merged.users);

  const ca = await pemOf(cluster, "certificate-authority");
  const tlsServerName = stringOf(cluster, "tls-server-name");
  return {
    server,
    namespace: stringOf(context, "namespace") ?? "default",
    isTlsUnverified: cluster.value["insecure-skip-tls-verify"] === true,
    ...(ca === undefined ? {} : { ca }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    ...(user === undefined ? {} : await credentialsOf(user, where)),
  };
}

async function credentialsOf(
  user: Entry,
  where: string,
): Promise<Pick<Cluster, "token" | "basicAuth" | "clientCertificate">> {
  for (const plugin of ["exec", "auth-provider"]) {
    if (plugin in user.value) {
      throw new KubeconfigError(
        "Unsupported",
        `Cannot use the kubeconfig ${where}: its user authenticates by "${plugin}". Use a token or a client certificate.`,
      );
    }
  }
  const cert = await pemOf(user, "client-certificate");
  const key = await pemOf(user, "client-key");
  const token = stringOf(user, "token") ?? (await fileOf(user, "tokenFile"))?.trim();
  const username = stringOf(user, "username");
  return {
    ...(cert === undefined || key === undefined ? {} : { clientCertificate: { cert, key } }),
    ...(token === undefined ? {} : { token }),
    ...(username === undefined ? {} : { basicAuth: { username, password: stringOf(user, "password") ?? "" } }),
  };
}

/** Inline `<field>-data` in base64 wins over the file that `<field>` names, as in kubectl. */
async function pemOf(entry: Entry, field: string): Promise<string | undefined> {
  const inline = stringOf(entry, `${field}-data`);
  return inline === undefined ? fileOf(entry, field) : Buffer.from(inline, "base64").toString("utf8");
}

async function fileOf(entry: Entry, field: string): Promise<string | undefined> {
  const path = stringOf(entry, field);
  if (path === undefined) return undefined;
  const text = await readIfThere(resolve(entry.folder, path));
  if (text === undefined) {
    throw new KubeconfigError("Missing", `Cannot use the kubeconfig: ${field} names ${path}, which is not there.`);
  }
  return text;
}

function stringOf(entry: Entry, field: string): string | undefined {
  const value = entry.value[field];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(path: string, found: string, cause?: unknown): KubeconfigError {
  return new KubeconfigError("Malformed", `Cannot read the kubeconfig ${path}: ${found}`, { cause });
}

function missing(where: string, what: string, there: ReadonlyMap<string, unknown>): KubeconfigError {
  const names = [...there.keys()].join(", ");
  return new KubeconfigError(
    "Missing",
    `Cannot use the kubeconfig ${where}: ${what} is not in it; ${names === "" ? "it has none" : `it has ${names}`}.`,
  );
}
