// Tries of readiness gates over the network: whether a machine accepts a connection, and what it answers to a request.

import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import type { ReadinessGate } from "@vivarium/api";
import type { ProbeOutcome } from "./gate-plan.ts";

interface ProbeOptions {
  /** Its abort is a failure. */
  readonly signal: AbortSignal;
}

export function probeTcp(
  { host, port }: { readonly host: string; readonly port: number },
  { signal }: ProbeOptions,
): Promise<ProbeOutcome> {
  const place = placeOf(host, port);
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    const end = (outcome: ProbeOutcome): void => {
      resolve(outcome);
      socket.destroy();
    };
    socket.once("connect", () =>
      end({ kind: "success", reason: "Connected", message: `${place} accepts connections` }),
    );
    // Stays until the socket is gone, since a destroyed one may still fail.
    socket.on("error", (error) => end(failureOf(error, { place, signal })));
  });
}

export function probeHttp(
  { host, port, path, scheme, httpHeaders }: NonNullable<ReadinessGate["httpGet"]> & { readonly host: string },
  { signal }: ProbeOptions,
): Promise<ProbeOutcome> {
  const isHttps = scheme === "HTTPS";
  const given = path ?? "/";
  const target = given.startsWith("/") ? given : `/${given}`;
  const place = `${isHttps ? "https" : "http"}://${placeOf(host, port)}${target}`;
  const options = {
    host,
    port,
    path: target,
    signal,
    agent: false,
    headers: {
      "User-Agent": "vivarium-probe",
      ...Object.fromEntries((httpHeaders ?? []).map((h) => [h.name, h.value])),
    },
  };
  return new Promise((resolve) => {
    const request = isHttps ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
    request.once("response", (response) => {
      const status = response.statusCode ?? 0;
      const isGood = status >= 200 && status < 400;
      const message = `${place} answers ${status}`;
      resolve(
        isGood ? { kind: "success", reason: "Answered", message } : { kind: "failure", reason: "HttpStatus", message },
      );
      // What it has to say besides does not matter.
      response.on("error", () => undefined);
      response.destroy();
    });
    request.on("error", (error) => resolve(failureOf(error, { place, signal })));
    request.end();
  });
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "ConnectionRefused",
  EHOSTUNREACH: "Unreachable",
  ENETUNREACH: "Unreachable",
  ETIMEDOUT: "TimedOut",
  ENOTFOUND: "UnknownHost",
};

function failureOf(
  error: Error & { readonly code?: string },
  { place, signal }: ProbeOptions & { readonly place: string },
): ProbeOutcome {
  if (signal.aborted) return { kind: "failure", reason: "TimedOut", message: `${place} did not answer in time` };
  const reason = reasons[error.code ?? ""] ?? "ConnectionFailed";
  return { kind: "failure", reason, message: `cannot connect to ${place}: ${error.code ?? error.message}` };
}

function placeOf(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
