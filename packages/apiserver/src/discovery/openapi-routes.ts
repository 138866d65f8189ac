// /openapi/v3: an index of documents by group and version, each under an address that names its content, so that clients may
// keep it for ever. /openapi/v2 is one document, for those who ask for that.

import { createHash } from "node:crypto";
import { respondBytes, respondJson } from "../output/respond.ts";
import type { Route } from "../router.ts";
import type { ServerState } from "../server-state.ts";
import { openapiDocument } from "./openapi-schemas.ts";
import { encodeSwagger } from "./swagger-protobuf.ts";
import { swaggerDocument, type JsonObject } from "./swagger.ts";

interface Document {
  readonly body: Uint8Array;
  readonly contentType: string;
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
    const document = toDocument(Buffer.from(JSON.stringify(openapiDocument(resources))));
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
    ["/openapi/v2", swaggerRoute(state)],
  ];
}

/** JSON, or protobuf for those who ask for it: client-go takes nothing else. */
function swaggerRoute({ registry }: ServerState): Route {
  const made = new Map<string, Document>();
  const documentAs = (contentType: string, encode: (document: JsonObject) => Uint8Array): Document => {
    const known = made.get(contentType);
    if (known !== undefined) return known;
    const document = toDocument(encode(swaggerDocument(registry.all())), contentType);
    made.set(contentType, document);
    return document;
  };
  return ({ request: { headers } }) => {
    const asksProtobuf = (headers["accept"] ?? "").includes("com.github.proto-openapi.spec.v2");
    const document = asksProtobuf
      ? documentAs(swaggerProtobufType, encodeSwagger)
      : documentAs("application/json", (each) => Buffer.from(JSON.stringify(each)));
    return respondDocument(document, null, headers["if-none-match"]);
  };
}

const swaggerProtobufType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

function toDocument(body: Uint8Array, contentType = "application/json"): Document {
  return { body, contentType, hash: createHash("sha256").update(body).digest("hex").toUpperCase() };
}

function respondDocument(document: Document, hash: string | null, known: string | undefined) {
  const etag = `"${document.hash}"`;
  const isNamed = hash === document.hash;
  const headers = {
    "content-type": document.contentType,
    etag,
    ...(isNamed && { "cache-control": "public, immutable", expires: "Fri, 31 Dec 2100 00:00:00 GMT" }),
  };
  if (known === etag) return { status: 304, headers, body: new Uint8Array() };
  return { ...respondBytes(200, document.body), headers };
}
