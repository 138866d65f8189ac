// One line of the audit log, in the form of audit.k8s.io/v1 (https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/).

import { createHash, randomUUID } from "node:crypto";
import type { ApiRequest, StatusError, UserInfo } from "@vivarium/api";
import { mediaTypeOf, parseBody, parseYaml } from "../input/parse-body.ts";
import type { AuditTrail } from "./audit-trail.ts";

/** `Metadata`: who did what to which object, and how it ended. `Request`: also what was sent. */
export type AuditLevel = "Metadata" | "Request";

export interface AuditOutcome {
  readonly code: number;
  readonly error?: StatusError;
  /** The beginning of the answer: it has the name of what was created. */
  readonly head?: string;
  readonly endedAt: Date;
}

/** Larger bodies are told by their hash. */
const maxObjectBytes = 64 * 1024;
const hashAnnotation = "vivarium.dev/request-sha256";

const lineFeed = "\n".charCodeAt(0);
const carriageReturn = "\r".charCodeAt(0);
const lineEnd = Buffer.from("}\n");

/** A line with its end. `level` is already that of the request. */
export function auditLine(trail: AuditTrail, outcome: AuditOutcome, level: AuditLevel): Uint8Array {
  const { request, attributes, decision, impersonated } = trail;
  const sent = level === "Request" ? requestObject(request, outcome) : {};
  const query = request.query.toString();
  const event = {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level,
    auditID: randomUUID(),
    stage: "ResponseComplete",
    requestURI: query === "" ? request.path : `${request.path}?${query}`,
    verb: attributes?.verb ?? request.method.toLowerCase(),
    user: shownUser(request.user),
    ...(impersonated !== undefined && { impersonatedUser: shownUser(impersonated) }),
    ...(request.sourceIp !== undefined && { sourceIPs: [request.sourceIp] }),
    ...(request.headers["user-agent"] !== undefined && { userAgent: request.headers["user-agent"] }),
    ...objectRefOf(trail, outcome),
    responseStatus: statusOf(outcome),
    requestReceivedTimestamp: microtime(trail.receivedAt),
    stageTimestamp: microtime(outcome.endedAt),
    annotations: {
      ...(decision !== undefined && {
        "authorization.k8s.io/decision": decision.isAllowed ? "allow" : "forbid",
        "authorization.k8s.io/reason": decision.reason,
      }),
      ...Object.fromEntries(trail.annotations),
      ...(sent.hash !== undefined && { [hashAnnotation]: sent.hash }),
    },
  };
  const line = JSON.stringify(event);
  if (sent.object === undefined) return Buffer.from(`${line}\n`);
  return Buffer.concat([Buffer.from(`${line.slice(0, -1)},"requestObject":`), sent.object, lineEnd]);
}

function shownUser({ name, uid, groups, extra }: UserInfo): object {
  return { username: name, ...(uid !== undefined && { uid }), groups, ...(extra !== undefined && { extra }) };
}

function objectRefOf({ attributes }: AuditTrail, { head }: AuditOutcome): { readonly objectRef?: object } {
  if (attributes?.type !== "resource") return {};
  const { group, version, resource, subresource, namespace } = attributes;
  const name = attributes.name === "" && attributes.verb === "create" ? nameIn(head) : attributes.name;
  return {
    objectRef: {
      resource,
      ...(namespace !== "" && { namespace }),
      ...(name !== "" && { name }),
      ...(group !== "" && { apiGroup: group }),
      apiVersion: version,
      ...(subresource !== "" && { subresource }),
    },
  };
}

/** Of an object whose metadata comes first, as answers have it. */
function nameIn(head: string | undefined): string {
  return /"metadata":\{(?:"resourceVersion":"\d+",)?"name":"([^"\\]+)"/.exec(head ?? "")?.[1] ?? "";
}

function statusOf({ code, error }: AuditOutcome): object {
  if (error === undefined) return { metadata: {}, code };
  return { metadata: {}, status: "Failure", message: error.message, reason: error.reason, code };
}

interface Sent {
  /** JSON on one line. */
  readonly object?: Uint8Array;
  readonly hash?: string;
}

/** Only of requests that were understood: of others nobody knows what they hold. */
function requestObject(request: ApiRequest, { code }: AuditOutcome): Sent {
  const { body } = request;
  const isUnderstood = code < 300 || code === 409 || code === 422;
  if (body.length === 0 || !isUnderstood) return {};
  if (body.length > maxObjectBytes) return { hash: createHash("sha256").update(body).digest("hex") };
  const type = mediaTypeOf(request);
  const isText = body[0] === "{".charCodeAt(0) || body[0] === "[".charCodeAt(0);
  // What was accepted is JSON, and there line ends stand between the fields only.
  if (type.endsWith("json") && isText && code < 300)
    return { object: onOneLine(Buffer.from(body.buffer, body.byteOffset, body.length)) };
  try {
    return { object: Buffer.from(JSON.stringify(type.includes("patch") ? parseYaml(body) : parseBody(request))) };
  } catch {
    return {};
  }
}

/** Most clients send one line, which is taken as it is. */
function onOneLine(json: Buffer): Buffer {
  if (!json.includes(lineFeed) && !json.includes(carriageReturn)) return json;
  return Buffer.from(json.toString().replaceAll(/[\r\n]/g, " "));
}

function microtime(date: Date): string {
  return date.toISOString().replace("Z", "000Z");
}
