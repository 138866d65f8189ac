// Events of a connection: registers for them, reads them, hands them to the listeners.

import type { LibvirtLogger } from "./connection/logger.ts";
import { isUnsupportedCall } from "./errors/libvirt-error.ts";
import type { Message } from "./framing/message.ts";
import { domainEventKinds, domainEventRegister } from "./protocol/domain-event.ts";
import type { DomainEvent } from "./protocol/domain-event.ts";
import {
  networkEventKinds,
  networkEventRegister,
  storagePoolEventKinds,
  storagePoolEventRegister,
} from "./protocol/object-event.ts";
import type { NetworkEvent, StoragePoolEvent } from "./protocol/object-event.ts";
import { Program } from "./protocol/procedure.ts";
import type { Session } from "./session/session.ts";
import { XdrReader } from "./xdr/reader.ts";

/** An event, and of what it is. */
export type AnyEvent =
  | { readonly of: "domain"; readonly event: DomainEvent }
  | { readonly of: "network"; readonly event: NetworkEvent }
  | { readonly of: "storage-pool"; readonly event: StoragePoolEvent };

const readers: ReadonlyMap<number, (reader: XdrReader) => AnyEvent> = new Map<number, (reader: XdrReader) => AnyEvent>([
  ...domainEventKinds.map(
    ({ procedure, codec }) =>
      [procedure, (reader: XdrReader): AnyEvent => ({ of: "domain", event: codec.read(reader) })] as const,
  ),
  ...networkEventKinds.map(
    ({ procedure, codec }) =>
      [procedure, (reader: XdrReader): AnyEvent => ({ of: "network", event: codec.read(reader) })] as const,
  ),
  ...storagePoolEventKinds.map(
    ({ procedure, codec }) =>
      [procedure, (reader: XdrReader): AnyEvent => ({ of: "storage-pool", event: codec.read(reader) })] as const,
  ),
]);

/** Asks for the events of all objects. A daemon or driver that lacks a kind of event is taken without it. */
export async function registerEvents(session: Session, signal: AbortSignal): Promise<void> {
  const options = { signal };
  await Promise.all([
    ...domainEventKinds.map(({ eventId }) =>
      ifSupported(session.call(domainEventRegister, { eventId, domain: undefined }, options)),
    ),
    ...networkEventKinds.map(({ eventId }) =>
      ifSupported(session.call(networkEventRegister, { eventId, network: undefined }, options)),
    ),
    ...storagePoolEventKinds.map(({ eventId }) =>
      ifSupported(session.call(storagePoolEventRegister, { eventId, pool: undefined }, options)),
    ),
  ]);
}

async function ifSupported(registration: Promise<unknown>): Promise<void> {
  try {
    await registration;
  } catch (error) {
    if (!isUnsupportedCall(error)) throw error;
  }
}

/** The event in a message, or undefined when it is of a kind that we did not ask for. */
export function decodeEvent(message: Message): AnyEvent | undefined {
  if (message.program !== Program.REMOTE) return undefined;
  return readers.get(message.procedure)?.(new XdrReader(message.payload));
}

/** Calls every listener; one that throws does not keep the others from hearing. */
export class Listeners<E> {
  readonly #listeners = new Set<(event: E) => void>();
  readonly #logger: LibvirtLogger;

  constructor(logger: LibvirtLogger) {
    this.#logger = logger;
  }

  add(listener: (event: E) => void): () => void {
    // A wrapper of its own, so that one function added twice is heard and removed twice.
    const own = (event: E): void => listener(event);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  tell(event: E): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error({ err: error }, "a listener of libvirt events failed");
      }
    }
  }
}
