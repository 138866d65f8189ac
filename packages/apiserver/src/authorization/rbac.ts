// RBAC put together: roles and bindings mirrored from the store, decisions from the mirror, default roles, aggregated roles.

import { rbac, type ClusterRole } from "@vivarium/api";
import type { KeyValue, Store } from "@vivarium/store";
import type { Logger } from "pino";
import type { OwnApi } from "../tasks/own-api.ts";
import { StoreMirror } from "../store-mirror.ts";
import type { AccessControl } from "./access-control.ts";
import { defaultRoles, type RoleSources } from "./default-roles.ts";
import { ensureDefaultRoles } from "./ensure-default-roles.ts";
import { RbacAccessControl } from "./rbac-access-control.ts";
import { RbacIndex } from "./rbac-index.ts";
import { RoleAggregation } from "./role-aggregation.ts";

const prefix = `/registry/${rbac.group}/`;
const clusterRoles = "clusterroles/";

export class Rbac {
  readonly access: AccessControl;
  readonly index = new RbacIndex();
  readonly #log: Logger;
  readonly #mirror: StoreMirror;
  readonly #aggregation = new RoleAggregation();
  #client: OwnApi | undefined;

  constructor({ store, log }: { readonly store: Store; readonly log: Logger }) {
    const access = new RbacAccessControl(this.index);
    this.access = access;
    this.#log = log;
    this.#mirror = new StoreMirror({
      store,
      prefix,
      log,
      onChange: (key, value) => {
        const place = key.slice(prefix.length);
        const object = value === undefined ? undefined : parse(value);
        this.index.set(place, object);
        if (place.startsWith(clusterRoles)) this.#aggregation.set(place.slice(clusterRoles.length), object);
      },
      onBatch: () => {
        access.forget();
        this.#aggregate();
      },
    });
  }

  /** Reads what there is and makes what has to be there. */
  async start(client: OwnApi, sources: RoleSources): Promise<void> {
    await this.#mirror.load();
    if (await ensureDefaultRoles(client, defaultRoles(sources))) await this.#mirror.load();
    if (await this.#aggregation.update(client)) await this.#mirror.load();
    this.#client = client;
  }

  /** Follows changes until the signal aborts. */
  follow(signal: AbortSignal): Promise<void> {
    return this.#mirror.follow(signal);
  }

  #aggregate(): void {
    if (this.#client === undefined) return;
    this.#aggregation
      .update(this.#client)
      .catch((error: unknown) => this.#log.warn({ err: error }, "cannot put the rules of aggregated roles together"));
  }
}

function parse({ value }: KeyValue): ClusterRole {
  return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString()) as ClusterRole;
}
