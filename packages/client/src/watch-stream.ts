// Reads the lines of a watch: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

import { StatusError } from "@vivarium/api";
import type { KubeObject, Status } from "@vivarium/api";
import type { WatchEvent } from "./client.ts";
import { ConnectionError } from "./connection-error.ts";
import { lines } from "./lines.ts";

/** Ends with the stream. Throws StatusError for an ERROR event, for example Expired. */
export async function* watchEvents<T extends KubeObject>(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of lines(chunks)) {
    const { type, object } = parseEvent(line);
    switch (type) {
      case "ADDED":
      case "MODIFIED":
      case "DELETED":
        yield { type, object: object as T };
        break;
      case "BOOKMARK":
        yield { type, resourceVersion: (object as T).metadata.resourceVersion ?? "" };
        break;
      case "ERROR":
        throw StatusError.fromStatus(object as Partial<Status>);
      default:
        throw new ConnectionError("Protocol", `Cannot read the watch: event type is ${JSON.stringify(type)}`);
    }
  }
}

function parseEvent(line: string): { type: unknown; object: unknown } {
  try {
    return JSON.parse(line) as { type: unknown; object: unknown };
  } catch (error) {
    throw new ConnectionError("Protocol", `Cannot read the watch: a line is not JSON (${line.slice(0, 80)})`, {
      cause: error,
    });
  }
}
