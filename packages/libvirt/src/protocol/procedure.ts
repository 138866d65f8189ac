// A call of the protocol, declared: its number, and the structures that it takes and gives.

import type { Codec } from "../xdr/codec.ts";

/** Programs share one connection; each numbers its own procedures. */
export const Program = { REMOTE: 0x20008086, QEMU: 0x20008087, KEEPALIVE: 0x6b656570 } as const;

/** All of these programs are at version 1. */
export const programVersion = 1;

/**
 * Calls of one lane share a connection, so that none waits behind one that may take much longer:
 * `short` never wait for a hypervisor process; `query` ask one, which may hang; `slow` change something, which takes up to
 * a minute; `copy` move data, for as long as that takes; `agent` wait for a guest, which may never answer.
 */
export type Lane = "short" | "query" | "slow" | "copy" | "agent";

export interface Procedure<A, R> {
  /** As the method is called, for messages and logs. */
  readonly name: string;
  readonly program: number;
  readonly number: number;
  readonly args: Codec<A>;
  readonly ret: Codec<R>;
  readonly lane: Lane;
}

type Declare = <A, R>(name: string, number: number, args: Codec<A>, ret: Codec<R>) => Procedure<A, R>;

export const remote: Declare = declare(Program.REMOTE, "short");
export const queryRemote: Declare = declare(Program.REMOTE, "query");
export const slowRemote: Declare = declare(Program.REMOTE, "slow");
export const copyRemote: Declare = declare(Program.REMOTE, "copy");
export const agentRemote: Declare = declare(Program.REMOTE, "agent");
export const agentQemu: Declare = declare(Program.QEMU, "agent");

function declare(program: number, lane: Lane): Declare {
  return (name, number, args, ret) => ({ name, program, number, args, ret, lane });
}
