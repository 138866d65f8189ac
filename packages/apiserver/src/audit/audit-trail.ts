// What becomes known of a request on its way: the audit log tells it when the answer stands.

import type { ApiRequest, UserInfo } from "@vivarium/api";
import type { Decision } from "../authorization/access-control.ts";
import type { Attributes } from "../authorization/attributes.ts";

export class AuditTrail {
  /** As it came, by who sent it. */
  readonly request: ApiRequest;
  readonly receivedAt: Date;
  /** Absent when the request got nowhere. */
  attributes?: Attributes;
  decision?: Decision;
  /** Who the request was taken for, where that is somebody else. */
  impersonated?: UserInfo;

  /** What others have to say about the request, by qualified names. */
  readonly annotations = new Map<string, string>();

  constructor(request: ApiRequest, receivedAt: Date) {
    this.request = request;
    this.receivedAt = receivedAt;
  }
}
