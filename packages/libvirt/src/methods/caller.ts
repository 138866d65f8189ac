// What the typed methods stand on. They form one chain of classes, by object, so that the facade has them all flat, as C does.

import type { Procedure } from "../protocol/procedure.ts";
import type { CallOptions } from "../session/call-options.ts";
import type { RpcStream } from "../session/rpc-stream.ts";

export interface OpenedStream<R> {
  readonly stream: RpcStream;
  readonly ret: R;
  /** Must be called once the stream is over; `isClean` when it ended in good order. */
  release(isClean: boolean): void;
}

export abstract class Caller {
  protected abstract call<A, R>(procedure: Procedure<A, R>, args: A, options?: CallOptions): Promise<R>;
  protected abstract openStream<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options?: CallOptions,
  ): Promise<OpenedStream<R>>;
}

/** Asks a list call for the objects, not just their number. */
export const needResults = 1;
