// What a first VM, or a first build of an image, needs besides itself, taken from the quick start's manifest: a Provider for this host and
// the plain image. What is there already is left as it is.

import { isStatus, Provider, VMImage, type VirtualMachine } from "@vivarium/api";
import { applyObject } from "../resources/apply-object.ts";
import { loadManifests, type Manifest } from "../resources/load-manifests.ts";
import type { Session } from "../session/connect.ts";
import { quickStartFile } from "../setup/shipped-files.ts";
import { defaultImage } from "./vm-manifest.ts";

/** Gives `kind/name` of each object that was made. */
export async function ensureLabBase(
  session: Session,
  { providerRef, imageRef }: Pick<VirtualMachine["spec"], "providerRef" | "imageRef">,
  options: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const { client, namespace } = session;
  const wanted: Manifest[] = [];
  const manifests = await loadManifests([quickStartFile()]);
  const ofKind = (kind: string): readonly Manifest[] => manifests.filter((manifest) => manifest.kind.kind === kind);
  if (providerRef === undefined) {
    const providers = await client.list(Provider, { namespace, ...options });
    if (providers.items.length === 0) wanted.push(...ofKind(Provider.kind));
  }
  if (imageRef?.name === defaultImage && !(await hasDefaultImage(session, options))) {
    wanted.push(...ofKind(VMImage.kind));
  }
  const made: string[] = [];
  for (const manifest of wanted) {
    await applyObject(client, manifest, { namespace });
    made.push(`${manifest.kind.singular}/${manifest.object.metadata.name}`);
  }
  return made;
}

async function hasDefaultImage(
  { client, namespace }: Session,
  options: { readonly signal: AbortSignal },
): Promise<boolean> {
  try {
    await client.get(VMImage, { namespace, name: defaultImage }, options);
    return true;
  } catch (error) {
    if (isStatus(error, "NotFound")) return false;
    throw error;
  }
}
