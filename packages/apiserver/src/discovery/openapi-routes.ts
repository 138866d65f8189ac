// /openapi/v3: an index of documents by group and version, each under an address that names its content, so that clients may
// keep it for ever. /openapi/v2 has only what older clients look for.

import { createHash } from "node:crypto";
import { respondBytes, respondJson } from "../output/respond.ts";
import type { Route } from "../router.ts";
import type { ServerState } from "../server-state.ts";
import { metaSchema } from "../meta/meta-schema.ts";
import { objectSchema, openapiDocument, schemaName } from "./openapi-schemas.ts";

interface Document {
  readonly body: Uint8Array;
  readonly hash: string;
}

export function openapiRoutes(state: ServerState): [string, Route][] {
  const { registry } = state;
  const groupVersions = ["", ...registry.groups()].flatMap((group) =>
    registry.versionsOf(group).map((version) => ({
      group,
      version,
      path: group === "" ? `api/${version}` : `apis/${group}/${version}`,
    })),
  );
  // Made at first use: most runs of the server are never asked.
  const documents = new Map<string, Document>();
  const documentOf = ({ group, version, path }: (typeof groupVersions)[number]): Document => {
    const known = documents.get(path);
    if (known !== undefined) return known;
    const resources = registry.all().filter((each) => each.group === group && each.version === version);
    const body = Buffer.from(JSON.stringify(openapiDocument(resources)));
    const document = { body, hash: createHash("sha256").update(body).digest("hex").toUpperCase() };
    documents.set(path, document);
    return document;
  };
  const index: Route = () =>
    respondJson(200, {
      paths: Object.fromEntries(
        groupVersions.map((each) => [
          each.path,
          { serverRelativeURL: `/openapi/v3/${each.path}?hash=${documentOf(each).hash}` },
        ]),
      ),
    });
  return [
    ["/openapi/v3", index],
    ...groupVersions.map((each): [string, Route] => [
      `/openapi/v3/${each.path}`,
      ({ request }) => respondDocument(documentOf(each), request.query.get("hash"), request.headers["if-none-match"]),
    ]),
    ["/openapi/v2", () => respondJson(200, swagger(state))],
  ];
}

function respondDocument(document: Document, hash: string | null, known: string | undefined) {
  const etag = `"${document.hash}"`;
  const isNamed = hash === document.hash;
  const headers = {
    "content-type": "application/json",
    etag,
    ...(isNamed && { "cache-control": "public, immutable", expires: "Fri, 31 Dec 2100 00:00:00 GMT" }),
  };
  if (known === etag) return { status: 304, headers, body: new Uint8Array() };
  return { ...respondBytes(200, document.body), headers };
}

function swagger(state: ServerState): object {
  return {
    swagger: "2.0",
    info: { title: "Vivarium", version: "v1" },
    paths: {},
    definitions: {
      "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": metaSchema,
      ...Object.fromEntries(
        state.registry
          .all()
          .map((resource) => [schemaName(resource, resource.kind), objectSchema(resource, "#/definitions/")]),
      ),
    },
  };
}
