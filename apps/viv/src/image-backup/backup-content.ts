// What a backup of images says of itself: which file was which image where, and the objects. Pure.

import { parseQuantity } from "@vivarium/api";
import type { ObjectMeta, VMImage, VMRole } from "@vivarium/api";
import { expectedDigestOf, providerOfStatusKey } from "@vivarium/controllers";
import type { ProviderKey } from "@vivarium/controllers";

/** A file of an image on one host. */
export interface ImageFileRecord {
  readonly namespace: string;
  readonly image: string;
  /** Key in status.providerStatus. */
  readonly provider: string;
  readonly host: ProviderKey;
  /** Names the image there. */
  readonly digest: string;
  /** `sha256:` and the digest of its bytes, which of a layer is another. */
  readonly contentDigest: string;
  readonly format: "qcow2" | "raw";
  readonly sizeBytes: number;
  /** As a guest sees it. */
  readonly virtualSizeBytes: number;
  /** Where it lay: layers upon it have it written in them. */
  readonly path: string;
  readonly backedUpAt: string;
}

export interface ImageBackupContent {
  readonly createdAt: string;
  readonly images: readonly VMImage[];
  readonly roles: readonly VMRole[];
  /** Parents before what is built upon them. */
  readonly files: readonly ImageFileRecord[];
}

/** A file that there is said to be. */
export interface WantedFile extends Omit<ImageFileRecord, "contentDigest" | "sizeBytes" | "backedUpAt"> {
  /** What its bytes have to be; undefined where nobody has written it down. */
  readonly expected?: string;
}

export function filesOf(images: readonly VMImage[]): readonly WantedFile[] {
  return parentsFirst(images).flatMap((image) =>
    Object.entries(image.status?.providerStatus ?? {}).flatMap(([provider, { path }]): WantedFile[] => {
      const { digest, format, virtualSize } = image.status ?? {};
      if (digest === undefined || path === undefined) return [];
      const expected = expectedDigestOf(image, provider);
      return [
        {
          namespace: image.metadata.namespace ?? "",
          image: image.metadata.name,
          provider,
          host: providerOfStatusKey(image, provider),
          digest,
          format: format === "raw" ? "raw" : "qcow2",
          virtualSizeBytes: virtualSize === undefined ? 0 : parseQuantity(virtualSize),
          path,
          ...(expected === undefined ? {} : { expected }),
        },
      ];
    }),
  );
}

export function isSameFile(one: Place, other: Place): boolean {
  return (
    one.namespace === other.namespace &&
    one.image === other.image &&
    one.provider === other.provider &&
    one.digest === other.digest
  );
}

type Place = Pick<ImageFileRecord, "namespace" | "image" | "provider" | "digest">;

/** What is new, and of what is not there any more the last that is known. */
export function withFormer(now: ImageBackupContent, former: ImageBackupContent | undefined): ImageBackupContent {
  if (former === undefined) return now;
  const isIn = <T extends VMImage | VMRole>(all: readonly T[], each: T): boolean =>
    all.some(({ metadata }) => metadata.name === each.metadata.name && metadata.namespace === each.metadata.namespace);
  const images = [...now.images, ...former.images.filter((each) => !isIn(now.images, each))];
  const files = [...now.files, ...former.files.filter((each) => !now.files.some((file) => isSameFile(file, each)))];
  const depth = ({ namespace, image }: ImageFileRecord): number => {
    const object = images.find(({ metadata }) => metadata.namespace === namespace && metadata.name === image);
    return object === undefined ? 0 : depthOf(object, images);
  };
  return {
    ...now,
    images: parentsFirst(images),
    roles: [...now.roles, ...former.roles.filter((each) => !isIn(now.roles, each))],
    files: files.toSorted((a, b) => depth(a) - depth(b)),
  };
}

export function parentsFirst(images: readonly VMImage[]): readonly VMImage[] {
  return images.toSorted((a, b) => depthOf(a, images) - depthOf(b, images));
}

/** How many layers it is upon. */
function depthOf(image: VMImage, images: readonly VMImage[]): number {
  let depth = 0;
  for (let next: VMImage | undefined = image; next !== undefined && depth < 64; depth += 1) {
    const parent: string | undefined = next.spec.source?.layer?.parentRef.name;
    const namespace: string | undefined = next.metadata.namespace;
    next = images.find(({ metadata }) => metadata.name === parent && metadata.namespace === namespace);
  }
  return depth;
}

/** Of an object like it: without what belongs to that one alone. */
export function newMetadata({ name, namespace, labels, annotations, finalizers }: ObjectMeta): ObjectMeta {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(finalizers === undefined ? {} : { finalizers }),
  };
}
