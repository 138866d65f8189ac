// A demand that a machine must meet, besides being Ready, to count as ready in its set. The fields are those of a core/v1 Probe.

import type { Static } from "typebox";
import { entryName } from "./common-fields.ts";
import { choice, int32, list, listByKey, optional, string, struct } from "./fields.ts";

const port = int32("Port of the machine.", { minimum: 1, maximum: 65535 });
const host = string("Where to connect to; the machine's first address when absent.");

const gate = struct("One demand: `agent`, `tcpSocket`, `httpGet` or `exec`.", {
  name: entryName("Its name, as the status has it."),
  agent: optional(struct("The guest agent answers.", {})),
  tcpSocket: optional(struct("The machine accepts a connection.", { port, host: optional(host) })),
  httpGet: optional(
    struct("The machine answers a request with a status from 200 to 399.", {
      path: optional(string("Path of the request.", { default: "/" })),
      port,
      host: optional(host),
      scheme: optional(
        choice("HTTP or HTTPS, whose certificate is not checked.", ["HTTP", "HTTPS"], { default: "HTTP" }),
      ),
      httpHeaders: optional(
        list(
          "Headers of the request.",
          struct("One header.", { name: string("Its name."), value: string("Its value.") }),
          { maxItems: 20 },
        ),
      ),
    }),
  ),
  exec: optional(
    struct("A command that the guest agent runs ends with 0.", {
      command: list("Path of the program and its arguments; no shell reads them.", string("One word."), {
        minItems: 1,
      }),
    }),
  ),
  initialDelaySeconds: optional(
    int32("How long the machine must have been Ready before the first try.", { minimum: 0, maximum: 3600, default: 0 }),
  ),
  periodSeconds: optional(int32("From one try to the next.", { minimum: 1, maximum: 3600, default: 10 })),
  timeoutSeconds: optional(int32("How long one try may take.", { minimum: 1, maximum: 300, default: 3 })),
  successThreshold: optional(
    int32("After so many successes in a row the demand is met.", { minimum: 1, maximum: 100, default: 1 }),
  ),
  failureThreshold: optional(
    int32("After so many failures in a row it is not met any longer.", { minimum: 1, maximum: 100, default: 3 }),
  ),
});

export type ReadinessGate = Static<typeof gate>;

export function readinessGates(description: string) {
  return listByKey(description, "name", gate, { maxItems: 10 });
}
