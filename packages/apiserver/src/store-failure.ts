// What a client is told when the store cannot do its part, so that it knows whether to come back, and whether its write was made.

import { StatusError } from "@vivarium/api";
import type { StoreError } from "@vivarium/store";

/** Soon enough to see space come back, late enough not to be a load. */
const retrySoon = { details: { retryAfterSeconds: 1 } };

export function storeFailure(error: StoreError): StatusError {
  switch (error.code) {
    case "full":
      return new StatusError(
        "InsufficientStorage",
        "the store has no space left: nothing was written; reads and watches go on, and writes do once there is space again",
        { ...retrySoon, cause: error },
      );
    case "too-large":
      return new StatusError(
        "RequestEntityTooLarge",
        "the object is larger than the store takes: nothing was written",
        {
          cause: error,
        },
      );
    case "uncertain":
      // Without Retry-After: clients would repeat the write by themselves.
      return new StatusError(
        "Timeout",
        "the store did not answer in time: the write may have been made or not; read the object to know",
        { cause: error },
      );
    case "closed":
    case "unavailable":
    case "corrupt":
    case "future-revision":
      return new StatusError("ServiceUnavailable", `the store cannot serve the request now: ${error.code}`, {
        ...retrySoon,
        cause: error,
      });
  }
}
