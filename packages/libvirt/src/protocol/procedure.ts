// A call of the protocol, declared: its number, and the structures that it takes and gives.

import type { Codec } from "../xdr/codec.ts";

/** Programs share one connection; each numbers its own procedures. */
export const Program = { REMOTE: 0x20008086, QEMU: 0x20008087, KEEPALIVE: 0x6b656570 } as const;

/** All of these programs are at version 1. */
export const programVersion = 1;

export interface Procedure<A, R> {
  /** As the method is called, for messages and logs. */
  readonly name: string;
  readonly program: number;
  readonly number: number;
  readonly args: Codec<A>;
  readonly ret: Codec<R>;
  /** May take long in the daemon; goes over a connection of its own, so that short calls never stand behind it. */
  readonly isSlow: boolean;
}

export function remote<A, R>(name: string, number: number, args: Codec<A>, ret: Codec<R>): Procedure<A, R> {
  return { name, program: Program.REMOTE, number, args, ret, isSlow: false };
}

export function slowRemote<A, R>(name: string, number: number, args: Codec<A>, ret: Codec<R>): Procedure<A, R> {
  return { name, program: Program.REMOTE, number, args, ret, isSlow: true };
}

export function slowQemu<A, R>(name: string, number: number, args: Codec<A>, ret: Codec<R>): Procedure<A, R> {
  return { name, program: Program.QEMU, number, args, ret, isSlow: true };
}
