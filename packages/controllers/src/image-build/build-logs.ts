// What the guests that build say on their serial console: read for the marks of their progress, and kept when they go.

import { ConfigMap, ImageBuild, imageBuildLabel, isStatus } from "@vivarium/api";
import type { VirtualMachine } from "@vivarium/api";
import { provisionState } from "@vivarium/images";
import type { ProvisionState } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import { writeStatus } from "@vivarium/runtime";
import type { Cache, Manager } from "@vivarium/runtime";
import type { ProviderKey, ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { buildToken } from "./image-build-machine.ts";

/** What is looked at for marks, and what is kept. */
const tailBytes = 262_144;

interface Guest {
  /** Where it is. */
  readonly provider: ProviderKey | undefined;
  readonly vm: VirtualMachine | undefined;
  readonly signal: AbortSignal;
}

export class BuildLogs {
  readonly #client: Manager["client"];
  readonly #builds: Cache<ImageBuild>;
  readonly #registry: ProviderRegistry;

  constructor(manager: Manager, registry: ProviderRegistry) {
    this.#client = manager.client;
    this.#builds = manager.cache(ImageBuild);
    this.#registry = registry;
  }

  /** What cannot be read now is read later: the guest goes on meanwhile. */
  async stateOf(build: ImageBuild, guest: Guest & { readonly attempt: number }): Promise<ProvisionState> {
    const text = await this.#textOf(guest);
    return text === undefined ? { kind: "silent" } : provisionState(text, buildToken(build, guest.attempt));
  }

  /** The end of what the guest said outlives its machine, in a ConfigMap that goes with the build. */
  async keep(build: ImageBuild, guest: Guest): Promise<void> {
    const { namespace = "default", name, uid = "" } = build.metadata;
    const { signal } = guest;
    const text = await this.#textOf(guest);
    if (text === undefined || text === "") return;
    const key = { namespace, name: `${name}-log` };
    const data = { log: text };
    try {
      await this.#client.create(
        ConfigMap,
        {
          apiVersion: "v1",
          kind: ConfigMap.kind,
          metadata: {
            ...key,
            labels: { [imageBuildLabel]: name },
            ownerReferences: [
              { apiVersion: `${ImageBuild.group}/${ImageBuild.version}`, kind: ImageBuild.kind, name, uid },
            ],
          },
          data,
        },
        { signal },
      );
    } catch (error) {
      if (!isStatus(error, "AlreadyExists")) throw error;
      await this.#client.mergePatch(ConfigMap, key, { data }, { signal });
    }
    const current = this.#builds.get(requestOf(build)) ?? build;
    const status = { ...current.status, logConfigMap: key.name };
    await writeStatus(this.#client, { type: ImageBuild, object: current, status }, { signal });
  }

  async #textOf({ vm, provider, signal }: Guest): Promise<string | undefined> {
    const console = provider && this.#registry.get(provider)?.console;
    if (console === undefined || vm?.status?.domain === undefined) return undefined;
    try {
      const bytes = await console.readLog(identityOf(vm), { tailBytes, signal });
      return new TextDecoder().decode(bytes);
    } catch (error) {
      signal.throwIfAborted();
      if (!isProviderError(error)) throw error;
      return undefined;
    }
  }
}
