// The part of the VMImage controller that reads the files of images again, where an annotation asks for it: in the background, one image
// after the other on each provider, and nothing is ever deleted. What is found is told to the machines that back onto it.
//
//   annotation that is not in status.lastValidationRequest ─► read every file ─► findings into the status ─► warn machines

import { formatTime, validateImageAnnotation, VirtualMachine } from "@vivarium/api";
import type { VMImage, VMImageStatus } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import type { Clock, Manager, ReconcileRequest } from "@vivarium/runtime";
import { BackgroundTasks } from "../background-tasks.ts";
import { providerOfStatusKey, providerStatusKey } from "../image-on-provider.ts";
import { imageOfMachine } from "../image-users.ts";
import type { ImageUsers } from "../image-users.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { messageOf } from "../steps/problem-of.ts";
import { Turns } from "../turns.ts";
import { recordedDigest } from "../vm-image-source.ts";
import { expectedDigestOf, isBad, placesToRead, withVerification } from "./verification.ts";
import type { Findings, Validation, Verification } from "./verification.ts";

interface Options {
  readonly manager: Manager;
  readonly registry: ProviderRegistry;
  readonly clock: Clock;
  readonly users: ImageUsers;
  readonly enqueue: (request: ReconcileRequest) => void;
  /** A file was not where it was believed to be. */
  readonly onMissing: (image: VMImage) => void;
}

const timeoutMs = 3_600_000;

export class ImageValidations {
  readonly #options: Options;
  readonly #tasks: BackgroundTasks<Findings, never>;
  readonly #turns = new Turns();

  constructor(options: Options) {
    this.#options = options;
    this.#tasks = new BackgroundTasks({
      clock: options.clock,
      onChange: (key) => options.enqueue(requestOfKey(key)),
    });
  }

  /** Begins what is asked for, and ends what is not any more. */
  async advance(image: VMImage): Promise<void> {
    const wanted = taskKey(image);
    const others = this.#tasks.keys().filter((key) => isOf(key, requestOf(image)) && key !== wanted);
    await Promise.all(others.map((key) => this.#tasks.stop(key)));
    if (wanted === undefined || this.#tasks.state(wanted).kind !== "none") return;
    const timeoutError = new Error(`Cannot read the image within ${timeoutMs / 1000} s`);
    this.#tasks.start(wanted, ({ signal }) => this.#read(image, signal), { timeoutMs, timeoutError });
  }

  fold(image: VMImage, status: VMImageStatus): VMImageStatus {
    return withVerification(image, status, { validation: this.#validation(image), nowMs: this.#options.clock.now() });
  }

  /** After the status is written. */
  settle(image: VMImage, status: VMImageStatus): void {
    const request = requestIn(image);
    if (request === undefined || status.lastValidationRequest !== request) return;
    if (image.status?.lastValidationRequest === request) return;
    for (const [key, found] of Object.entries(status.verification ?? {}))
      if (isBad(found)) this.#warn(image, key, found);
    // What is there again is told by the next look, for which nothing else may give a reason.
    this.#options.enqueue(requestOf(image));
  }

  async stop(request: ReconcileRequest): Promise<void> {
    const own = this.#tasks.keys().filter((key) => isOf(key, request));
    await Promise.all(own.map((key) => this.#tasks.stop(key)));
  }

  stopAll(): Promise<void> {
    return this.#tasks.stopAll();
  }

  #validation(image: VMImage): Validation | undefined {
    const key = taskKey(image);
    const request = requestIn(image);
    if (key === undefined || request === undefined) return undefined;
    const state = this.#tasks.state(key);
    switch (state.kind) {
      case "none":
      case "running":
        return { request };
      case "done":
        return { request, findings: state.result };
      case "failed": {
        const time = formatTime(new Date(state.failedMs));
        const found = { outcome: "Unknown", message: messageOf(state.error), time } as const;
        return { request, findings: Object.fromEntries(placesToRead(image).map((place) => [place, found])) };
      }
    }
    throw new TypeError(`Unknown state: ${JSON.stringify(state satisfies never)}`);
  }

  async #read(image: VMImage, signal: AbortSignal): Promise<Findings> {
    const findings: Record<string, Verification> = {};
    for (const key of placesToRead(image)) {
      // A host reads one file at a time: it has guests to serve.
      const found = await this.#turns.run(hostOf(image, key), () => this.#readOn(image, key, signal));
      findings[key] = { ...found, time: formatTime(new Date(this.#options.clock.now())) };
      if (found.outcome === "Missing") this.#options.onMissing(image);
    }
    return findings;
  }

  async #readOn(image: VMImage, key: string, signal: AbortSignal): Promise<Omit<Verification, "time">> {
    const digest = recordedDigest(image);
    const expected = expectedDigestOf(image, key);
    const open = this.#options.registry.get(providerOfStatusKey(image, key));
    const { path = "its file" } = image.status?.providerStatus?.[key] ?? {};
    const unknown = (message: string) => ({ outcome: "Unknown", message }) as const;
    if (open === undefined || digest === undefined) return unknown(`Provider "${key}" cannot be asked`);
    if (open.layers === undefined) return unknown(`Provider "${key}" cannot read images`);
    if (expected === undefined) return unknown(`What ${path} on ${key} was when it was made is not known`);
    try {
      const { contentDigest } = await open.layers.measure(digest, { signal });
      if (contentDigest === expected) return { outcome: "Intact", message: `${path} on ${key} is as it was` };
      const message = `${path} on ${key} is damaged: its digest is ${contentDigest}, expected ${expected}; put the file back as it was and validate the image again`;
      return { outcome: "Damaged", message };
    } catch (error) {
      signal.throwIfAborted();
      if (!isProviderError(error)) throw error;
      if (error.code !== "NotFound") return unknown(`Cannot read ${path} on ${key}: ${error.message}`);
      return { outcome: "Missing", message: `${path} is not on ${key} any more, or not whole` };
    }
  }

  #warn(image: VMImage, key: string, found: Verification): void {
    const { manager } = this.#options;
    const chain = this.#withLayers(image);
    for (const vm of manager.cache(VirtualMachine).list()) {
      const wanted = imageOfMachine(vm);
      const provider = this.#options.users.providerOfMachine(vm);
      if (wanted === undefined || provider === undefined || providerStatusKey(image, provider) !== key) continue;
      if (!chain.some((each) => each.name === wanted.name && each.namespace === wanted.namespace)) continue;
      const message = `Its disk backs onto VMImage "${image.metadata.name}": ${found.message}`;
      manager.recorder.record(vm, { type: "Warning", reason: `Image${found.outcome}`, message });
    }
  }

  /** The image, and all layers upon it. */
  #withLayers(image: VMImage): readonly ReconcileRequest[] {
    const found = new Map([[image.metadata.name, image]]);
    // A map gives what is added on the way, too; layers that go in a circle are added once.
    for (const each of found.values()) {
      for (const layer of this.#options.users.layersOn(each)) {
        if (!found.has(layer.metadata.name)) found.set(layer.metadata.name, layer);
      }
    }
    return [...found.values()].map(requestOf);
  }
}

function requestIn({ metadata }: VMImage): string | undefined {
  return metadata.annotations?.[validateImageAnnotation];
}

/** Undefined where nothing is asked for that was not carried out. */
function taskKey(image: VMImage): string | undefined {
  const request = requestIn(image);
  if (request === undefined || request === image.status?.lastValidationRequest) return undefined;
  const { namespace, name } = requestOf(image);
  return JSON.stringify([namespace, name, image.metadata.uid, request, recordedDigest(image)]);
}

function requestOfKey(key: string): ReconcileRequest {
  const [namespace = "", name = ""] = JSON.parse(key) as string[];
  return { namespace, name };
}

function isOf(key: string, request: ReconcileRequest): boolean {
  const { namespace, name } = requestOfKey(key);
  return namespace === request.namespace && name === request.name;
}

function hostOf(image: VMImage, key: string): string {
  const { namespace, name, host } = providerOfStatusKey(image, key);
  return JSON.stringify([namespace, name, host]);
}
