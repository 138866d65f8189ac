// The server's own API for its tasks: a few calls on objects by their keys, as the user that Kubernetes' controller manager has.

import { isStatus, StatusError, type ApiHandler, type ApiRequest, type Status, type UserInfo } from "@vivarium/api";
import type { Resource } from "../resource.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One object, by the kind and the name that its store key says. */
export interface ObjectPlace {
  readonly resource: Resource;
  readonly namespace?: string;
  readonly name: string;
}

export class OwnApi {
  readonly #handle: ApiHandler;
  readonly #user: UserInfo;
  readonly #signal: AbortSignal;

  /** `controller`: for example `generic-garbage-collector`; the audit log and policies see it. */
  constructor(options: { readonly handle: ApiHandler; readonly controller: string; readonly signal: AbortSignal }) {
    this.#handle = options.handle;
    this.#user = controllerUser(options.controller);
    this.#signal = options.signal;
  }

  /** Does nothing when the object is gone. */
  async delete(place: ObjectPlace, options: object): Promise<void> {
    await this.#unlessGone(this.#send("DELETE", pathOf(place), { body: options }));
  }

  /** A merge patch; does nothing when the object is gone. */
  async patch(place: ObjectPlace, patch: object): Promise<void> {
    await this.patchAt(pathOf(place), patch);
  }

  async patchAt(path: string, patch: object): Promise<void> {
    await this.#unlessGone(this.#send("PATCH", path, { body: patch, contentType: "application/merge-patch+json" }));
  }

  async list<T>(path: string): Promise<readonly T[]> {
    return ((await this.#send("GET", path)) as { items: T[] }).items;
  }

  async create(path: string, object: object): Promise<void> {
    await this.#send("POST", path, { body: object });
  }

  async #unlessGone(sent: Promise<unknown>): Promise<void> {
    await sent.catch((error: unknown) => {
      if (!isStatus(error, "NotFound")) throw error;
    });
  }

  async #send(
    method: ApiRequest["method"],
    path: string,
    { body, contentType = "application/json" }: { readonly body?: object; readonly contentType?: string } = {},
  ): Promise<unknown> {
    const response = await this.#handle({
      method,
      path,
      query: new URLSearchParams(),
      headers: { "content-type": contentType, accept: "application/json", "user-agent": "vivarium" },
      body: body === undefined ? new Uint8Array() : encoder.encode(JSON.stringify(body)),
      user: this.#user,
      signal: this.#signal,
    });
    if (!(response.body instanceof Uint8Array)) throw new TypeError(`${method} ${path} answered with a stream`);
    const answer: unknown = JSON.parse(decoder.decode(response.body));
    if (response.status >= 300) throw StatusError.fromStatus(answer as Partial<Status>);
    return answer;
  }
}

/** As Kubernetes names its controllers. */
export function controllerUser(controller: string): UserInfo {
  return {
    name: `system:serviceaccount:kube-system:${controller}`,
    groups: ["system:masters", "system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
  };
}

function pathOf({ resource, namespace, name }: ObjectPlace): string {
  const root = resource.group === "" ? "/api/v1" : `/apis/${resource.apiVersion}`;
  const scope = namespace === undefined ? "" : `/namespaces/${namespace}`;
  return `${root}${scope}/${resource.plural}/${name}`;
}
