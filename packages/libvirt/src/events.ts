// Domain events of a connection: registers for them, reads them, hands them to the listeners.

import type { LibvirtLogger } from "./connection/logger.ts";
import { isUnsupportedCall } from "./errors/libvirt-error.ts";
import type { Message } from "./framing/message.ts";
import { domainEventKinds, domainEventRegister } from "./protocol/domain-event.ts";
import type { DomainEvent } from "./protocol/domain-event.ts";
import { Program } from "./protocol/procedure.ts";
import type { Session } from "./session/session.ts";
import { XdrReader } from "./xdr/reader.ts";

const kindByProcedure = new Map(domainEventKinds.map((kind) => [kind.procedure, kind]));

/** Asks for the events of all domains. A daemon that lacks a kind of event is taken without it. */
export async function registerDomainEvents(session: Session, signal: AbortSignal): Promise<void> {
  await Promise.all(
    domainEventKinds.map(async ({ eventId }) => {
      try {
        await session.call(domainEventRegister, { eventId, domain: undefined }, { signal });
      } catch (error) {
        if (!isUnsupportedCall(error)) throw error;
      }
    }),
  );
}

/** The event in a message, or undefined when it is of a kind that we did not ask for. */
export function decodeDomainEvent(message: Message): DomainEvent | undefined {
  if (message.program !== Program.REMOTE) return undefined;
  return kindByProcedure.get(message.procedure)?.codec.read(new XdrReader(message.payload));
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
