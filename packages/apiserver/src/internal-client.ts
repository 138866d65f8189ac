// What the server itself writes goes through its own verbs, so that it is validated and audited like everybody's.

import { StatusError, type ApiHandler, type ApiRequest, type Status } from "@vivarium/api";

export class InternalClient {
  readonly #handle: ApiHandler;
  readonly #signal: AbortSignal;

  constructor(handle: ApiHandler, signal: AbortSignal) {
    this.#handle = handle;
    this.#signal = signal;
  }

  async list<T>(path: string): Promise<readonly T[]> {
    return ((await this.#call("GET", path)) as { items: T[] }).items;
  }

  async create(path: string, object: object): Promise<void> {
    await this.#call("POST", path, object);
  }

  /** A JSON merge patch. */
  async patch(path: string, change: object): Promise<void> {
    await this.#call("PATCH", path, change);
  }

  async #call(method: ApiRequest["method"], path: string, body?: object): Promise<unknown> {
    const response = await this.#handle({
      method,
      path,
      query: new URLSearchParams(),
      headers: { "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" },
      body: body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body)),
      user: { name: "system:apiserver", groups: ["system:masters", "system:authenticated"] },
      signal: this.#signal,
    });
    if (!(response.body instanceof Uint8Array)) throw new TypeError(`${method} ${path} answered with a stream`);
    const answer: unknown = JSON.parse(Buffer.from(response.body).toString());
    if (response.status >= 400) throw StatusError.fromStatus(answer as Partial<Status>);
    return answer;
  }
}
