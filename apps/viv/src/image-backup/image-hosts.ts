// The hosts on which images lie, opened by viv itself: files of gigabytes do not go through the API. What a Provider's endpoint means is
// known on the machine of its server alone.

import { Provider as ProviderKind, Secret } from "@vivarium/api";
import { credentialsIn, hostsOf, providerConfig } from "@vivarium/controllers";
import type { ProviderKey } from "@vivarium/controllers";
import { isProviderError } from "@vivarium/provider";
import type { ImageBackupRole, LayerRole, Provider, ProviderFactory } from "@vivarium/provider";
import { createLibvirtProviderFactory } from "@vivarium/provider-libvirt";
import { CliUserError } from "../cli-error.ts";
import { findServer } from "../server/detached-server.ts";
import { fileMemo } from "../server/file-memo.ts";
import { serverLogger } from "../server/logger.ts";
import type { Session } from "../session/connect.ts";

/** A host whose image files can be read and put back. */
export interface ImageHost {
  readonly provider: Provider;
  readonly layers: LayerRole;
  readonly backups: ImageBackupRole;
}

export interface ImageHosts extends AsyncDisposable {
  /** Or why it cannot be used. */
  open(key: ProviderKey): Promise<ImageHost | { readonly why: string }>;
}

export async function requireOwnServer(session: Session): Promise<void> {
  const own = await findServer(session.stateDir);
  if (own !== undefined && new URL(own.url).port === new URL(session.server).port) return;
  throw new CliUserError(`The server of ${session.stateDir.path} does not answer, or is not the one that you use.`, {
    fix: ["Files of images are read and written on the machine of the server, by who runs it: do it there."],
    exit: "unreachable",
  });
}

export function openImageHosts(session: Session): ImageHosts {
  const factory = createLibvirtProviderFactory({
    logger: serverLogger().child({}, { level: "error" }),
    memo: fileMemo(session.stateDir.memo),
  });
  const opened = new Map<string, Promise<ImageHost | { readonly why: string }>>();
  const providers: Provider[] = [];
  return {
    open(key) {
      const id = JSON.stringify([key.namespace, key.name, key.host]);
      const opening = opened.get(id) ?? openHost(session, { key, factory, providers });
      opened.set(id, opening);
      return opening;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(providers.map((provider) => provider.close()));
    },
  };
}

async function openHost(
  { client }: Session,
  {
    key,
    factory,
    providers,
  }: { readonly key: ProviderKey; readonly factory: ProviderFactory; readonly providers: Provider[] },
): Promise<ImageHost | { readonly why: string }> {
  const { namespace, name } = key;
  const { items } = await client.list(ProviderKind, { namespace });
  const object = items.find(({ metadata }) => metadata.name === name);
  if (object === undefined) return { why: `there is no Provider "${namespace}/${name}"` };
  if (object.spec.type !== factory.type) return { why: `Provider "${name}" is of type "${object.spec.type}"` };
  const host = hostsOf(object).find((each) => (key.host === undefined ? each.isFirst : each.name === key.host));
  if (host === undefined) return { why: `Provider "${name}" has no host "${key.host ?? ""}"` };
  const ref = host.credentialSecretRef;
  const secret = ref && (await client.get(Secret, { namespace: ref.namespace ?? namespace, name: ref.name }));
  const provider = factory.open(providerConfig(object, host, secret === undefined ? {} : credentialsIn(secret)));
  providers.push(provider);
  const { layers, imageBackups: backups } = provider;
  if (layers === undefined || backups === undefined) return { why: `Provider "${name}" cannot give its images` };
  try {
    await provider.describe();
    return { provider, layers, backups };
  } catch (error) {
    if (!isProviderError(error)) throw error;
    return { why: `Provider "${name}" cannot be reached: ${error.message}` };
  }
}
