// Content negotiation, in one place: what form the answer takes, from the Accept header.

import { StatusError } from "@vivarium/api";

export type OutputForm =
  | { readonly kind: "json" }
  | { readonly kind: "yaml" }
  | { readonly kind: "table" }
  /** PartialObjectMetadata, or its list. */
  | { readonly kind: "partial" }
  /** Aggregated discovery. */
  | { readonly kind: "discovery" };

interface MediaType {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly quality: number;
}

/** The first form of the header, by quality and then by place, that the server can give. `transforms`: which `as=` are possible. */
export function negotiate(
  accept: string | undefined,
  transforms: readonly ("table" | "partial" | "discovery")[],
): OutputForm {
  for (const media of mediaTypesOf(accept ?? "*/*")) {
    const form = formOf(media);
    if (form === undefined) continue;
    if (form.kind === "json" || form.kind === "yaml" || transforms.includes(form.kind)) return form;
  }
  throw new StatusError(
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/yaml",
  );
}

function formOf({ type, parameters }: MediaType): OutputForm | undefined {
  const as = parameters["as"];
  switch (type) {
    case "application/yaml":
      return as === undefined ? { kind: "yaml" } : undefined;
    case "*/*":
    case "application/*":
    case "application/json":
      break;
    default:
      return undefined;
  }
  if (as === undefined) return { kind: "json" };
  const form = transformsByName[`${as};${parameters["v"] ?? ""};${parameters["g"] ?? ""}`];
  return form === undefined ? undefined : { kind: form };
}

const transformsByName: Readonly<Record<string, "table" | "partial" | "discovery">> = {
  "Table;v1;meta.k8s.io": "table",
  "PartialObjectMetadata;v1;meta.k8s.io": "partial",
  "PartialObjectMetadataList;v1;meta.k8s.io": "partial",
  "APIGroupDiscoveryList;v2;apidiscovery.k8s.io": "discovery",
};

/** Clients send the same few headers over and over. */
const parsed = new Map<string, readonly MediaType[]>();
const maxParsed = 64;

function mediaTypesOf(header: string): readonly MediaType[] {
  let types = parsed.get(header);
  if (types === undefined) {
    types = parseAccept(header);
    if (parsed.size >= maxParsed) parsed.clear();
    parsed.set(header, types);
  }
  return types;
}

function parseAccept(header: string): MediaType[] {
  return header
    .split(",")
    .map((part) => {
      const [type = "", ...rest] = part.split(";").map((piece) => piece.trim());
      const parameters = Object.fromEntries(
        rest.map((piece) => {
          const at = piece.indexOf("=");
          return at < 0
            ? [piece, ""]
            : [
                piece.slice(0, at).trim(),
                piece
                  .slice(at + 1)
                  .trim()
                  .replaceAll('"', ""),
              ];
        }),
      ) as Record<string, string>;
      const quality = Number(parameters["q"] ?? 1);
      return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 1 : quality };
    })
    .filter((media) => media.quality > 0)
    .toSorted((a, b) => b.quality - a.quality);
}
