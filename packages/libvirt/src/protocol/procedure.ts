// A call of the protocol, declared: its number, and the structures that it takes and gives.

import type { Codec } from "../xdr/codec.ts";

/** Programs share one connection; each numbers its own procedures. */
export const Program = { REMOTE: 0x20008086, QEMU: 0x20008087, KEEPALIVE: 0x6b656570 } as const;

/** All of these programs are at version 1. */
export const programVersion = 1;

/**
 * Calls of one lane share a connection, on which the daemon works on five at once:
 * `short` never wait for the hypervisor; `slow` may work long; `agent` wait for a guest, which may never answer.
 */
export type Lane = "short" | "slow" | "agent";

export interface Procedure<A, R> {
  /** As the method is called, for messages and logs. */
  readonly name: string;
  readonly program: number;
  readonly number: number;
  readonly args: Codec<A>;
  readonly ret: Codec<R>;
  readonly lane: Lane;
}

export function remote<A, R>(name: string, number: number, args: Codec<A>, ret: Codec<R>): Procedure<A, R> {
  return { name, program: Program.REMOTE, number, args, ret, lane: "short" };
}

export function slowRemote<A, R>(name: string, number: number, args: Codec<A>, ret: Codec<R>): Procedure<A, R> {
  return { name, program: Program.REMOTE, number, args, ret, lane: "slow" };
}

export function agentQemu<A, R>(name: string, number: number, args: Codec<A>, ret: Codec<R>): Procedure<A, R> {
  return { name, program: Program.QEMU, number, args, ret, lane: "agent" };
}

export function agentRemote<A, R>(name: string, number: number, args: Codec<A>, ret: Codec<R>): Procedure<A, R> {
  return { name, program: Program.REMOTE, number, args, ret, lane: "agent" };
}
