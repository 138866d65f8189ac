// A server over the memory store, and requests to it in few words.

import { coreKinds, toCustomResourceDefinition, type ApiResponse, type ApiRequest, type UserInfo } from "@vivarium/api";
import { openMemoryStore, type Store } from "@vivarium/store";
import { pino } from "pino";
import type { Registry } from "prom-client";
import type { AdmissionPlugin } from "../admission/admission-plugin.ts";
import { createApiServer, type ApiServer } from "../create-api-server.ts";
import type { AuditOptions } from "../audit/audit-log.ts";
import type { AuthenticationOptions } from "../authentication/server-authentication.ts";
import type { FlowLimits } from "../flow/priority-level.ts";
import type { UsageEvaluator } from "../quota/usage-evaluator.ts";
import type { Subresource } from "../subresources.ts";
import { widgetDefinition } from "./widget.ts";

export const widgetsPath = "/apis/example.dev/v1/namespaces/default/widgets";

/** A parsed answer. Fields that are not there are undefined, so that tests stay short. */
export interface Answer {
  readonly status: number;
  readonly headers: ApiResponse["headers"];
  readonly body: Json;
}

export interface Json {
  readonly [field: string]: Json;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Absent: one who may do everything. */
  readonly user?: UserInfo;
  readonly sourceIp?: string;
}

const administrator: UserInfo = { name: "tester", groups: ["system:masters"] };

export interface TestServer {
  readonly server: ApiServer;
  readonly store: Store;
  readonly call: (method: ApiRequest["method"], path: string, options?: CallOptions) => Promise<Answer>;
  /** The answer as it is; for streams. */
  readonly send: (method: ApiRequest["method"], path: string, options?: CallOptions) => Promise<ApiResponse>;
}

export async function openTestServer(
  options: {
    readonly store?: Store;
    readonly subresources?: readonly Subresource[];
    readonly admission?: readonly AdmissionPlugin[];
    readonly initialFinalizers?: ReadonlyMap<string, string>;
    readonly authentication?: AuthenticationOptions;
    readonly audit?: AuditOptions;
    readonly clock?: () => Date;
    readonly runsTasks?: boolean;
    readonly usageEvaluators?: readonly UsageEvaluator[];
    readonly metrics?: Registry;
    readonly limits?: Partial<FlowLimits>;
  } = {},
): Promise<TestServer> {
  const store = options.store ?? openMemoryStore();
  const server = await createApiServer({
    store,
    resources: coreKinds.map((kind) => toCustomResourceDefinition(kind)),
    definitions: [widgetDefinition],
    logger: pino({ level: "silent" }),
    ...(options.subresources !== undefined && { subresources: options.subresources }),
    ...(options.admission !== undefined && { admission: options.admission }),
    ...(options.initialFinalizers !== undefined && { initialFinalizers: options.initialFinalizers }),
    ...(options.runsTasks !== undefined && { runsTasks: options.runsTasks }),
    ...(options.authentication !== undefined && { authentication: options.authentication }),
    ...(options.usageEvaluators !== undefined && { usageEvaluators: options.usageEvaluators }),
    ...(options.audit !== undefined && { audit: options.audit }),
    ...(options.metrics !== undefined && { metrics: options.metrics }),
    ...(options.limits !== undefined && { limits: options.limits }),
    ...(options.clock !== undefined && { clock: options.clock }),
  });
  const send: TestServer["send"] = (
    method,
    path,
    { body, headers = {}, signal, user = administrator, sourceIp } = {},
  ) => {
    const [pathname = "", query = ""] = path.split("?");
    return server.handle({
      method,
      path: pathname,
      query: new URLSearchParams(query),
      headers,
      body: body === undefined ? new Uint8Array() : toBytes(body),
      user,
      ...(sourceIp !== undefined && { sourceIp }),
      signal: signal ?? new AbortController().signal,
    });
  };
  return {
    server,
    store,
    send,
    async call(method, path, callOptions) {
      const response = await send(method, path, callOptions);
      if (!(response.body instanceof Uint8Array)) throw new TypeError(`${method} ${path} answered with a stream`);
      const text = new TextDecoder().decode(response.body);
      return { status: response.status, headers: response.headers, body: parse(text) };
    },
  };
}

export function widget(name: string, fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const { metadata, spec, ...rest } = fields as { metadata?: object; spec?: object };
  return {
    apiVersion: "example.dev/v1",
    kind: "Widget",
    metadata: { name, ...metadata },
    spec: { size: 1, ...spec },
    ...rest,
  };
}

function toBytes(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  return new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { text } as unknown as Json;
  }
}

/** A value of an answer as text. */
export function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A list in an answer; empty when it is not one. */
export function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}
