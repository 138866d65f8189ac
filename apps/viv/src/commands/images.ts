// `viv images`: the registry of images, with what each is and what uses it.

import { ImageBuild, parseQuantity, VirtualMachine, VMImage } from "@vivarium/api";
import type { GlobalOptions } from "../global-options.ts";
import { formatBytes } from "../output/byte-size.ts";
import { print, tell } from "../output/print.ts";
import { showObjects } from "../output/show-objects.ts";
import { textTable } from "../output/text-table.ts";
import { connect } from "../session/connect.ts";

interface ImagesOptions extends GlobalOptions {
  readonly allNamespaces?: boolean;
  readonly role?: string;
  readonly unused?: boolean;
  readonly output?: "json" | "yaml" | "name";
}

export async function listImages(text: string | undefined, options: ImagesOptions): Promise<void> {
  await using session = await connect(options);
  const where = options.allNamespaces === true ? {} : { namespace: session.namespace };
  const [images, machines, builds] = await Promise.all([
    session.client.list(VMImage, where),
    session.client.list(VirtualMachine, where),
    session.client.list(ImageBuild, where),
  ]);
  const used = (image: VMImage): readonly string[] =>
    usersOf(image, { images: images.items, machines: machines.items, builds: builds.items });
  const shown = images.items
    .filter((image) => text === undefined || wordsOf(image).some((word) => word.includes(text)))
    .filter((image) => options.role === undefined || image.spec.source?.layer?.role === options.role)
    .filter((image) => options.unused !== true || used(image).length === 0);
  if (options.output !== undefined) {
    const objects = shown.map((object) => ({ kind: VMImage, object }));
    await showObjects(objects, { format: options.output, single: false });
  } else if (shown.length === 0) {
    tell("There are no such images.");
  } else {
    print(imagesTable(shown, used, options.allNamespaces === true));
  }
}

/** Pure. */
export function imagesTable(
  images: readonly VMImage[],
  used: (image: VMImage) => readonly string[],
  hasNamespace: boolean,
): string {
  return textTable(
    [
      ...(hasNamespace ? ["namespace"] : []),
      "name",
      "role",
      "source",
      "parent",
      "created",
      "virtual",
      "size",
      "digest",
      "state",
      "verified",
      "used by",
    ],
    images.map((image) => {
      const { metadata, status } = image;
      return [
        ...(hasNamespace ? [metadata.namespace ?? ""] : []),
        metadata.name,
        image.spec.source?.layer?.role ?? "-",
        sourceOf(image),
        image.spec.source?.layer?.parentRef.name ?? "-",
        (status?.lastPrepareTime ?? metadata.creationTimestamp ?? "").slice(0, 16).replace("T", " "),
        sizeText(status?.virtualSize),
        sizeText(status?.size),
        status?.digest?.slice("sha256:".length, "sha256:".length + 12) ?? "-",
        status?.phase ?? "Pending",
        verifiedText(image),
        used(image).join(",") || "-",
      ];
    }),
  );
}

interface Objects {
  readonly images: readonly VMImage[];
  readonly machines: readonly VirtualMachine[];
  readonly builds: readonly ImageBuild[];
}

/** Pure: machines cloned from it, layers upon it, builds of it. */
export function usersOf(image: VMImage, { images, machines, builds }: Objects): readonly string[] {
  const { namespace = "", name } = image.metadata;
  const isHere = (object: { readonly metadata: { readonly namespace?: string } }): boolean =>
    object.metadata.namespace === namespace;
  const vms = machines.filter(({ metadata, spec }) => {
    const ref = spec.imageRef;
    return ref !== undefined && ref.name === name && (ref.namespace ?? metadata.namespace) === namespace;
  });
  const layers = images.filter((other) => isHere(other) && other.spec.source?.layer?.parentRef.name === name);
  const running = builds.filter(
    (build) => isHere(build) && build.status?.image === name && build.status.finishedAt === undefined,
  );
  return [
    ...vms.map(({ metadata }) => `vm/${metadata.name}`),
    ...layers.map(({ metadata }) => `image/${metadata.name}`),
    ...running.map(({ metadata }) => `build/${metadata.name}`),
  ];
}

function sourceOf({ spec, status }: VMImage): string {
  if (spec.source?.layer !== undefined) return "layer";
  return status?.source ?? (spec.source?.debootstrap === undefined ? "url" : "debootstrap");
}

function wordsOf(image: VMImage): readonly string[] {
  const layer = image.spec.source?.layer;
  return [image.metadata.name, layer?.role ?? "", sourceOf(image), layer?.parentRef.name ?? ""];
}

/** The worst that was found, and when; of one that was never read, nothing. */
function verifiedText({ status }: VMImage): string {
  const found = Object.values(status?.verification ?? {});
  const order = ["Damaged", "Missing", "Unknown", "Intact"] as const;
  const worst = order.flatMap((outcome) => found.filter((each) => each.outcome === outcome))[0];
  return worst === undefined ? "-" : `${worst.outcome} ${worst.time.slice(0, 16).replace("T", " ")}`;
}

function sizeText(quantity: string | number | undefined): string {
  return quantity === undefined ? "-" : formatBytes(parseQuantity(quantity));
}
