// One request on its way through a verb.

import type { ApiRequest } from "@vivarium/api";

export interface RequestContext {
  readonly request: ApiRequest;
  readonly now: Date;
  /** Becomes `Warning` headers of the answer. */
  readonly warnings: string[];
  /** Becomes annotations of the request's line in the audit log. */
  readonly auditAnnotations: Map<string, string>;
}
