// Refuses to delete a Provider while machines, pools or networks of it are there: who would take them off the hypervisor then? Its namespace goes
// in the same order. With the namespace its Hosts and Secrets wait, too, for they are the way there.

import {
  forceDeleteAnnotation,
  formatKey,
  Host,
  isStatus,
  Namespace,
  Provider,
  Secret,
  StatusError,
  StoragePool,
  storagePoolFinalizer,
  VirtualMachine,
  virtualMachineFinalizer,
  VMImage,
  VirtualNetwork,
  virtualNetworkFinalizer,
} from "@vivarium/api";
import type { ApiHandler, KubeObject, ResourceType } from "@vivarium/api";
import type { AdmissionPlugin, AdmissionRequest } from "@vivarium/apiserver";
import type { Client } from "@vivarium/client";
import type { ProviderUser } from "@vivarium/controllers";
import { namesOf } from "./names-of.ts";

/** What holds something on a hypervisor says so with this finalizer. */
const users: readonly { readonly type: ResourceType<ProviderUser>; readonly finalizer: string }[] = [
  { type: VirtualMachine, finalizer: virtualMachineFinalizer },
  { type: StoragePool, finalizer: storagePoolFinalizer },
  { type: VirtualNetwork, finalizer: virtualNetworkFinalizer },
];

const guarded: readonly ResourceType[] = [Provider, Host, Secret];
const mostNamed = 5;

/** `handler`: that of the server itself, undefined until there is one. */
export function inUseProtection(handler: () => ApiHandler | undefined): AdmissionPlugin {
  return {
    name: "InUseProtection",
    isInterested: ({ operation, resource, subresource }) =>
      operation === "DELETE" &&
      subresource === undefined &&
      guarded.some(({ group, plural }) => resource.group === group && resource.plural === plural),
    async admit(request) {
      const handle = handler();
      if (handle === undefined) return undefined;
      // Loaded when the first such object is deleted: a start of the server need not wait for it.
      const { createClient, inProcessTransport } = await import("@vivarium/client");
      const user = { name: "system:serviceaccount:vivarium-system:in-use-protection", groups: ["system:masters"] };
      await requireUnused(request, createClient(inProcessTransport(handle, user)));
      return undefined;
    },
  };
}

async function requireUnused(
  { resource, namespace = "", name, oldObject, warnings }: AdmissionRequest,
  client: Client,
): Promise<void> {
  if (oldObject === undefined || oldObject.metadata.deletionTimestamp !== undefined) return;
  const providers = (await client.list(Provider, { namespace })).items;
  const isProvider = resource.plural === Provider.plural;
  // By themselves a Host is made again, and a Secret may be replaced.
  const isEnding = await isNamespaceEnding(client, namespace);
  if (!isProvider && !isEnding) return;
  const concerned = providers.filter((provider) =>
    isProvider ? provider.metadata.name === name : leadsTo(resource.plural, name, provider),
  );
  for (const provider of concerned) {
    if (provider.metadata.annotations?.[forceDeleteAnnotation] === "true") continue;
    const images = await imagesOn(provider, client);
    const isLeaving = ({ metadata }: VMImage): boolean =>
      metadata.deletionTimestamp !== undefined || (isEnding && metadata.namespace === namespace);
    const found = [
      ...(await usersOf(provider, { client, providers })),
      // Their copies are about to be removed, for as long as there is a way there.
      ...images.filter(isLeaving).map((image) => `VMImage/${nameOf(image, namespace)}, which is being deleted`),
    ];
    if (found.length === 0) {
      if (isProvider) warnings.push(...copiesLeft(images, namespace));
      continue;
    }
    const what = isProvider
      ? `Provider "${name}" is`
      : `${resource.kind} "${name}" leads to Provider "${provider.metadata.name}", which is`;
    throw new StatusError(
      "Forbidden",
      `${what} in use by ${namesOf(found, mostNamed)}: delete those first, or annotate the Provider with ${forceDeleteAnnotation}=true to leave behind what they have on the hypervisor`,
    );
  }
}

async function isNamespaceEnding(client: Client, namespace: string): Promise<boolean> {
  try {
    return (await client.get(Namespace, { name: namespace })).metadata.deletionTimestamp !== undefined;
  } catch (error) {
    if (isStatus(error, "NotFound")) return false;
    throw error;
  }
}

function leadsTo(plural: string, name: string, { metadata, spec }: Provider): boolean {
  const hosts = spec.hosts ?? [];
  if (plural === Host.plural) return name === metadata.name || hosts.some((host) => host.name === name);
  return [spec.credentialSecretRef, ...hosts.map((host) => host.credentialSecretRef)].some((ref) => ref?.name === name);
}

async function usersOf(
  provider: Provider,
  { client, providers }: { readonly client: Client; readonly providers: readonly Provider[] },
): Promise<readonly string[]> {
  const { effectiveProvider } = await import("@vivarium/controllers");
  const { name, namespace = "" } = provider.metadata;
  const found: string[] = [];
  for (const { type, finalizer } of users) {
    // Machines of other namespaces may use it as well.
    for (const object of (await client.list(type)).items) {
      if (!(object.metadata.finalizers ?? []).includes(finalizer)) continue;
      const effective = effectiveProvider(object, providers);
      if (effective.kind !== "found" || effective.key.name !== name || effective.key.namespace !== namespace) continue;
      found.push(`${type.kind}/${nameOf(object, namespace)}`);
    }
  }
  return found;
}

/** VMImages with copies there. */
async function imagesOn({ metadata }: Provider, client: Client): Promise<readonly VMImage[]> {
  const { providerOfStatusKey } = await import("@vivarium/controllers");
  return (await client.list(VMImage)).items.filter((image) =>
    Object.entries(image.status?.providerStatus ?? {}).some(([key, { available }]) => {
      const { namespace, name } = providerOfStatusKey(image, key);
      return available === true && name === metadata.name && namespace === metadata.namespace;
    }),
  );
}

function copiesLeft(images: readonly VMImage[], namespace: string): readonly string[] {
  if (images.length === 0) return [];
  const names = images.map((image) => nameOf(image, namespace));
  return [
    `The copies of VMImage ${namesOf(names, mostNamed)} stay on its hosts, in their storage pool: to have them removed, delete these VMImages before the Provider`,
  ];
}

function nameOf({ metadata }: KubeObject, namespace: string): string {
  return metadata.namespace === namespace ? metadata.name : formatKey(metadata);
}
