// Which store a server works on: the SQLite file in its state dir, or a cluster of etcd that it shares with other servers.

import type { EtcdStoreOptions } from "@vivarium/store";
import { CliUserError } from "../cli-error.ts";
import { readGivenFile } from "./read-given-file.ts";

/** As given on the command line. */
export interface StoreFlags {
  readonly store?: "sqlite" | "etcd";
  readonly etcdEndpoints?: string;
  readonly etcdPrefix?: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
  readonly etcdCompactionInterval?: number;
}

export type StoreChoice = { readonly kind: "sqlite" } | { readonly kind: "etcd"; readonly options: EtcdStoreOptions };

export function storeChoice(flags: StoreFlags): StoreChoice {
  if (flags.store !== "etcd") {
    const [given] = storeArguments({ ...flags, store: undefined });
    if (given !== undefined)
      throw new CliUserError(`${given} needs --store etcd.`, { fix: ["Add --store etcd."], exit: "usage" });
    return { kind: "sqlite" };
  }
  return { kind: "etcd", options: etcdOptions(flags) };
}

/** The same as arguments, for a server that is started in the background. */
export function storeArguments(flags: { readonly [Name in keyof StoreFlags]: StoreFlags[Name] | undefined }): string[] {
  const given = {
    "--store": flags.store,
    "--etcd-endpoints": flags.etcdEndpoints,
    "--etcd-prefix": flags.etcdPrefix,
    "--etcd-ca": flags.etcdCa,
    "--etcd-cert": flags.etcdCert,
    "--etcd-key": flags.etcdKey,
    "--etcd-user": flags.etcdUser,
    "--etcd-password-file": flags.etcdPasswordFile,
    "--etcd-compaction-interval":
      flags.etcdCompactionInterval === undefined ? undefined : `${flags.etcdCompactionInterval}ms`,
  };
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
}

function etcdOptions(flags: StoreFlags): EtcdStoreOptions {
  const endpoints = (flags.etcdEndpoints ?? "").split(",").filter((each) => each !== "");
  if (endpoints.length === 0)
    throw new CliUserError("No endpoint of etcd was given.", {
      fix: ["--etcd-endpoints https://HOST:2379[,https://HOST:2379…]"],
      exit: "usage",
    });
  if ((flags.etcdCert === undefined) !== (flags.etcdKey === undefined))
    throw new CliUserError("--etcd-cert and --etcd-key belong together: only one was given.", { exit: "usage" });
  const tls = {
    ...read("ca", flags.etcdCa),
    ...read("cert", flags.etcdCert),
    ...read("key", flags.etcdKey),
  };
  return {
    endpoints,
    ...(flags.etcdPrefix !== undefined && { prefix: flags.etcdPrefix }),
    ...(Object.keys(tls).length > 0 && { tls }),
    ...userOf(flags),
    ...(flags.etcdCompactionInterval !== undefined && { compactionIntervalMs: flags.etcdCompactionInterval }),
  };
}

function userOf({ etcdUser, etcdPasswordFile }: StoreFlags): Pick<EtcdStoreOptions, "user"> {
  if (etcdUser === undefined) return {};
  if (etcdPasswordFile === undefined)
    throw new CliUserError("--etcd-user needs --etcd-password-file.", { exit: "usage" });
  return { user: { name: etcdUser, password: readGivenFile(etcdPasswordFile).trim() } };
}

function read<Name extends string>(name: Name, path: string | undefined): { readonly [N in Name]?: string } {
  return path === undefined ? {} : ({ [name]: readGivenFile(path) } as { readonly [N in Name]?: string });
}
